EVENT=$(curl -sS --fail-with-body \
  "$PAYWITNESS/api/v1/events?order=$ORDER&type=payment.paid" \
  -H "Authorization: Bearer $PAYWITNESS_KEY" |
  grep -o 'evt_[0-9A-Z]*' | sed -n 1p)

curl -sS --fail-with-body "$PAYWITNESS/api/v1/events/$EVENT" \
  -H "Authorization: Bearer $PAYWITNESS_KEY"
