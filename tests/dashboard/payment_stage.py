"""What stories of the payments' pages need: members who are signed in, addresses, and payments that were just made."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.test import Client
from django.urls import reverse

from results.core.snapshot import Card, Snapshot, VirtualAccount
from results.models import Order, Payment
from tenants.models import Membership, Merchant, User
from tenants.routing import inside
from tests.factories import Cast

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
NOON = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


class Members:
    """The people of a story. `members(bakery.merchant, "viewer")` is one who is signed in; they go with the story."""

    def __init__(self) -> None:
        self.made: list[User] = []

    def __call__(self, merchant: Merchant, role: str = "owner") -> Client:
        name = f"{role}@{merchant.name}-payments.example"
        person = User.objects.create_user(name, created_at=datetime.now(UTC))
        self.made.append(person)
        Membership.objects.create(merchant=merchant, user=person, role=role, created_at=datetime.now(UTC))
        client = Client()
        client.force_login(person, backend=BACKEND)
        return client


@contextmanager
def members_of_a_story() -> Iterator[Members]:
    members = Members()
    yield members
    for person in members.made:
        person.delete()


def address(cast: Cast, name: str, **words: Any) -> str:
    """Return the address of one of a merchant's pages."""
    return reverse(name, kwargs={"merchant": cast.merchant.id, "mode": cast.mode} | words)


def make_payment(cast: Cast, order: str, number: int = 0, *, at: datetime | None = None, **said: Any) -> Payment:
    """Write down a payment as if PortOne had told of it; the newest number is the newest payment.

    `snapshot` changes what PortOne said, other words the row.
    """
    seen = at or NOON + timedelta(seconds=number)
    answer = said.pop("snapshot", {})
    status = said.get("status", "paid")
    with inside(cast.merchant.schema_name):
        row, _ = Order.objects.get_or_create(mode=cast.mode, merchant_uid=order, defaults={"created_at": seen})
        imp_uid = said.pop("imp_uid", f"imp_{number:012}")
        fields = {
            "imp_uid": imp_uid,
            "merchant_uid": order,
            "status": "paid",
            "amount": Decimal(64900),
            "cancel_amount": Decimal(0),
            "currency": "KRW",
            "sandbox": cast.mode == "test",
            "asked_at": seen,
            "pay_method": "card",
            "paid_at": seen,
            "card": Card("381", "KB국민카드", "381", "KB국민카드", "400000******0002", "0", 0, "30012345"),
        }
        checks = dict.fromkeys(("account", "order", "amount", "currency", "livemode", "uniqueness"), "pass")
        judged = {"type": f"payment.{status}", "verified": "matched", "checks": checks, "mismatches": []}
        defaults = {
            "status": status,
            "money_moved": True,
            "snapshot": Snapshot(**(fields | answer)).as_json(),
            "judgement": judged,
            "observed_at": seen,
            "first_seen_at": seen,
        }
        return Payment.objects.create(mode=cast.mode, order=row, imp_uid=imp_uid, **(defaults | said))


def account(number: str = "5621234567898400", holder: str = "빵집") -> VirtualAccount:
    return VirtualAccount("088", "신한은행", number, holder, NOON, NOON + timedelta(days=1))


def orders_on(page: bytes) -> list[str]:
    """Return the orders of a list's rows, from the top."""
    rows = page.decode().split("<tbody>")[-1].split("</tbody>")[0].split("<tr>")[1:]
    return [row.split("</a>")[0].rpartition(">")[2] for row in rows]
