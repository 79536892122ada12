"""A small shop that believes a callback only when the reference library verifies it.

It keeps all that arrives, acts once per `webhook-id`, and sends goods only on `payment.paid` whose
`verification.result` is `matched`: nobody compared the amount of a `not_checked` payment.

In a test:

    shop = Shop(signing_secret=secret, return_key=key)
    with running(shop) as url:                     # the callback URL is url + "/callback"
        shop.wait_for(1)
        shop.events(order="order-1"), shop.fulfilled()
        shop.wait_until(lambda: "order-1" in shop.fulfilled())
        shop.faults.add(Fault(kind="status", status=503, headers={"Retry-After": "2"}, times=1))

As a process: `python -m deploy.demo.shop --bind 127.0.0.1:8200 --signing-secret … --return-key …` prints
`listening on http://…`.

    request                    body -> answer
    POST   /callback           200 when it verifies, else 400
    GET    /orders/complete    the registered return URL: a page with data-signed, -order, -status, -fulfilled
    GET    /                   goods and orders, for a person
    GET    /checkout/{order}   pays on this page, PortOne's PC window in a frame: data-status, -state, -signed, -calls
    POST   /orders/check       what Paywitness's script was told as `signed` -> {signed, order, status}
    GET    /received?order=    -> list of {at, webhook_id, order, type, verified, duplicate, refusal,
                               headers, body, event}
    GET    /fulfilled          -> {order: event}
    GET    /_control/health    -> {ok}
    POST   /_control/settings  signing_secret (one or a list), return_key, return_url, redirect_url,
                               notice_url, pay_url, user_code, merchant, mode, order_key, order_kid,
                               script_integrity
    POST   /_control/orders    name, amount (won), order (optional) -> {order, pay_url}
    POST   /_control/faults    kind (latency | status | html | close | hang | endless | bomb), status, seconds,
                               headers, body, who (an order), times, after (act on the callback first)
    DELETE /_control/faults    all is well again
    DELETE /_control/received  forget callbacks and fulfilments
"""

from ..mischief import Fault
from .ledger import Shop
from .received import Received
from .returns import check_return, order_token
from .server import make_app, pay_link, running

__all__ = ["Fault", "Received", "Shop", "check_return", "make_app", "order_token", "pay_link", "running"]
