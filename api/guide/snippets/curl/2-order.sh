ORDER="guide-$(date +%s)"

curl -sS --fail-with-body "$PAYWITNESS/api/v1/orders" \
  -H "Authorization: Bearer $PAYWITNESS_KEY" \
  -H "Idempotency-Key: $ORDER" \
  -H "Content-Type: application/json" \
  -d '{"id": "'"$ORDER"'", "amount": 64900, "currency": "KRW"}'
