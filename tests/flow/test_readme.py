"""The README's own code does what it says."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from tests.factories import Cast

README = Path(__file__).parents[2] / "README.md"


def merchant_code(signing_secret: str, fulfilled: list[tuple[str, str]]) -> Callable[[dict[str, str], bytes], int]:
    """Return the README's `callback`, with the names that it leaves to the merchant."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.S)
    names: dict[str, Any] = {
        "SIGNING_SECRET": signing_secret,
        "fulfil_once": lambda order, payment: fulfilled.append((order, payment)),
    }
    exec(code, names)
    callback: Callable[[dict[str, str], bytes], int] = names["callback"]
    return callback


def test_merchant_code_verifies_a_real_callback(bakery: Cast, run_worker: Callable[..., None]) -> None:
    """Ten lines in the README receive and verify a callback, and fulfil on a matched payment."""
    bakery.expects("order-1")
    bakery.portone.approve(bakery.opens_window("order-1"))
    bakery.portone.outbox.wait_for(1)
    run_worker()
    (received,) = bakery.shop.received()
    fulfilled: list[tuple[str, str]] = []

    (secret,) = bakery.shop.settings.signing_secrets
    status = merchant_code(secret, fulfilled)(dict(received.headers), received.body)

    assert status == 200
    assert fulfilled == [("order-1", received.event["data"]["payment"]["id"])]


def test_merchant_code_refuses_a_changed_callback(bakery: Cast, run_worker: Callable[..., None]) -> None:
    """One byte changed on the way, and the README's code raises."""
    bakery.expects("order-1")
    bakery.portone.approve(bakery.opens_window("order-1"))
    bakery.portone.outbox.wait_for(1)
    run_worker()
    (received,) = bakery.shop.received()

    (secret,) = bakery.shop.settings.signing_secrets
    callback = merchant_code(secret, [])

    with pytest.raises(WebhookVerificationError):
        callback(dict(received.headers), received.body.replace(b"64900", b"64901"))
