curl -sS --fail-with-body "$PAYWITNESS/api/v1/me" \
  -H "Authorization: Bearer $PAYWITNESS_KEY"
