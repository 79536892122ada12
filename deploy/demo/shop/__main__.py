"""`python -m deploy.demo.shop --bind 127.0.0.1:8200`: the shop as a process of its own.

Every setting may come as an option, from the environment (`SHOP_SIGNING_SECRET`, `SHOP_RETURN_KEY`, …), or
later through `POST /_control/settings`.
"""

import argparse
import os
import time

from ..serving import serve_until_signalled
from .ledger import Shop
from .server import make_app

SETTINGS = (
    "signing_secret",
    "return_key",
    "order_key",
    "order_kid",
    "merchant",
    "mode",
    "return_url",
    "redirect_url",
    "notice_url",
    "pay_url",
    "user_code",
    "script_integrity",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy.demo.shop", description=__doc__)
    parser.add_argument("--bind", default="127.0.0.1:8200", help="host:port; 0 picks a port")
    parser.add_argument("--order-prefix", help="what order numbers begin with; by default from the clock")
    for name in SETTINGS:
        default = os.environ.get(f"SHOP_{name.upper()}")
        parser.add_argument(f"--{name.replace('_', '-')}", default=default)
    arguments = vars(parser.parse_args())
    settings = {name: arguments[name] for name in SETTINGS if arguments[name]}
    # Orders outlive the shop at Paywitness and PortOne, so a second run begins with other numbers.
    prefix = arguments["order_prefix"] or f"order-{int(time.time()) % 10_000_000}-"
    shop = Shop(order_prefix=prefix, **settings)
    serve_until_signalled(lambda: make_app(shop), bind=arguments["bind"])


if __name__ == "__main__":
    main()
