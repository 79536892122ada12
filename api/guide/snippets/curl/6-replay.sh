curl -sS --fail-with-body "$PAYWITNESS/api/v1/replays" \
  -H "Authorization: Bearer $PAYWITNESS_KEY" \
  -H "Content-Type: application/json" \
  -d '{"filter": {"event": "'"$EVENT"'"}, "dry_run": true}'

curl -sS --fail-with-body "$PAYWITNESS/api/v1/replays" \
  -H "Authorization: Bearer $PAYWITNESS_KEY" \
  -H "Idempotency-Key: replay-$EVENT" \
  -H "Content-Type: application/json" \
  -d '{"filter": {"event": "'"$EVENT"'"}}'

until curl -sS "$SHOP/received?order=$ORDER" | grep -q 'x-paywitness-replay'
do sleep 0.5; done
