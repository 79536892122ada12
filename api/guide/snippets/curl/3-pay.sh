IMP_UID=$(curl -sS --fail-with-body -G "$SIMULATOR/pay" \
  --data-urlencode "user_code=$USER_CODE" \
  --data-urlencode "merchant_uid=$ORDER" \
  --data-urlencode "amount=64900" \
  --data-urlencode "m_redirect_url=$REDIRECT_URL" |
  grep -o 'imp_[0-9]*' | sed -n 1p)

BACK=$(curl -sS -o /dev/null -w '%{redirect_url}' \
  "$SIMULATOR/pay/$IMP_UID" -d choice=paid)

curl -sS -o /dev/null -w '%{http_code} %{redirect_url}\n' "$BACK"
