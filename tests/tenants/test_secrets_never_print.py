"""What holds a secret does not show it: not in a log line, not in a traceback, not in a test's output."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from results.core.order_token import OrderKey
from results.core.return_link import ReturnKey
from results.core.signing import SigningSecret
from results.core.verdict import Delivered, Reply
from results.deliver import Outgoing, Tried
from results.duties import Taken
from results.portone import Access
from tenants.encryption import Key, KeyRing, Vault
from tenants.onboarding import NewKeys
from tenants.routing import Route

HIDDEN = "not-a-secret-but-hidden-in-tests"
BYTES = HIDDEN.encode()
ID = UUID(int=1)
AT = datetime(2026, 11, 21, tzinfo=UTC)

KEY = Key("k1", BYTES)
VAULT = Vault(ID, KEY)
ROUTE = Route(merchant_id=ID, schema="t_0", mode="live", lane=ID, vault=VAULT, name="bakery")
OUTGOING = Outgoing(
    duty=Taken(1, "deliver", ID, "live", ID, ID, 1, datetime.now(UTC)),
    delivery_id=ID,
    event_id=ID,
    event_type="payment.paid",
    event_at=AT,
    endpoint_id=ID,
    url="https://shop.example.com/callback",
    body=b'{"buyer": "' + BYTES + b'"}',
    secrets=(SigningSecret(BYTES),),
    number=1,
    step=1,
    began_at=AT,
    headers={"authorization": HIDDEN},
)


@pytest.mark.parametrize(
    "holder",
    [
        KEY,
        KeyRing((KEY,)),
        VAULT,
        ROUTE,
        NewKeys(api_key=HIDDEN, return_key=HIDDEN, order_key=HIDDEN),
        Access(credential_id=ID, imp_key=HIDDEN, imp_secret=HIDDEN, token=HIDDEN),
        SigningSecret(BYTES),
        ReturnKey(kid="rk_1", key=HIDDEN),
        OrderKey(kid="ok_1", key=HIDDEN),
        OUTGOING,
        Tried(OUTGOING, Reply(status=200), Delivered(), AT, AT, 0.0),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_repr_shows_no_secret(holder: Any) -> None:
    """Printed in any way, it shows neither the text nor the bytes of what it holds, and still says what it is."""
    printed = f"{holder!r} {holder} {[holder]}"

    assert HIDDEN not in printed
    assert BYTES.hex() not in printed
    assert SigningSecret(BYTES).to_text() not in printed
    assert type(holder).__name__ in printed
