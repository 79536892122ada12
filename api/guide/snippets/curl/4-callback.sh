until curl -sS "$SHOP/received?order=$ORDER" | grep -q '"verified": true'
do sleep 0.5; done

curl -sS "$SHOP/received?order=$ORDER"
