"""Whose payment is it? PortOne answers every holder of an account's keys, and several merchants may hold them.

A payment belongs to the merchant and mode that published it first, for ever. As soon as a second merchant holds keys
of the account, only a registered order gives a right to its payment: PortOne's answer alone no longer does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection

from results.core.snapshot import Snapshot
from results.models import Order, Payment
from tenants.routing import Route

# What the account is, whether another merchant holds it too, and the payment taken if it may be: one round trip.
TAKE: Final = """
WITH own AS (
    SELECT mine.account, EXISTS (
        SELECT 1 FROM public.tenants_credential AS other
        WHERE other.account = mine.account AND other.merchant_id <> mine.merchant_id
    ) AS shared
    FROM public.tenants_credential AS mine
    WHERE mine.merchant_id = %(merchant)s AND mine.mode = %(mode)s AND mine.account IS NOT NULL
), taken AS (
    INSERT INTO public.tenants_takenpayment (account, imp_uid, merchant, mode, taken_at)
    SELECT account, %(imp_uid)s, %(merchant)s, %(mode)s, %(at)s FROM own
    WHERE %(fits)s AND (%(registered)s OR NOT shared)
    ON CONFLICT (account, imp_uid) DO NOTHING
    RETURNING merchant, mode
)
SELECT own.shared, coalesce(taken.merchant, earlier.merchant), coalesce(taken.mode, earlier.mode)
FROM own LEFT JOIN taken ON true
LEFT JOIN public.tenants_takenpayment AS earlier ON earlier.account = own.account AND earlier.imp_uid = %(imp_uid)s
"""


class Owner(Enum):
    """Whose a payment is, seen from one merchant and mode."""

    US = "us"
    NOBODY = "nobody"
    NEIGHBOUR = "neighbour"  # another merchant with keys of the same account


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose a payment is, and whether other merchants hold keys of its account."""

    owner: Owner
    shared: bool = False

    @property
    def is_open(self) -> bool:
        """Several merchants could say that it is theirs, and PortOne's answer alone does not decide."""
        return self.shared and self.owner is Owner.NOBODY


def take(route: Route, order: Order, payment: Payment, snapshot: Snapshot, *, at: datetime) -> Ownership:
    """Take a payment for this merchant and mode if that may be, and say whose it is.

    Runs in the transaction that publishes, after the locks of order and payment; notes `taken_at` on the payment,
    which the caller saves. Waits for a neighbour who is taking the same payment just now, so whoever takes several
    in one transaction takes them by `imp_uid`.
    """
    if payment.taken_at is not None:
        return Ownership(Owner.US)
    registered, fits = order.registered_at is not None, snapshot.sandbox != route.livemode
    values = {
        "merchant": route.merchant_id,
        "mode": route.mode,
        "imp_uid": snapshot.imp_uid,
        "fits": fits,
        "registered": registered,
        "at": at,
    }
    found = _run(values)
    if found and found.owner is None and fits and (registered or not found.shared):
        # Whoever was faster committed while we waited, which this statement's own view could not show yet.
        found = _run(values)
    if found is None or found.owner is None:
        return Ownership(Owner.NOBODY, shared=found is not None and found.shared)
    if found.owner == (route.merchant_id, route.mode):
        payment.taken_at = at
        return Ownership(Owner.US, found.shared)
    # This merchant's other mode is no stranger: that the payment is of the other mode is for the judge to say.
    return Ownership(Owner.NOBODY if found.owner[0] == route.merchant_id else Owner.NEIGHBOUR, found.shared)


class _Found(NamedTuple):
    shared: bool
    owner: tuple[UUID, str] | None


def _run(values: dict[str, Any]) -> _Found | None:
    """Return what is known of the account; None when this mode's keys do not say which it is."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE, values)
        row = cursor.fetchone()
    return row and _Found(row[0], (row[1], row[2]) if row[1] else None)


def neighbours_among(route: Route, imp_uids: Sequence[str]) -> set[str]:
    """Return which of these payments of this mode's account belong to another merchant."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT taken.imp_uid FROM public.tenants_takenpayment AS taken"
            " JOIN public.tenants_credential AS mine ON mine.account = taken.account"
            " WHERE mine.merchant_id = %s AND mine.mode = %s AND taken.imp_uid = ANY(%s) AND taken.merchant <> %s",
            [route.merchant_id, route.mode, list(imp_uids), route.merchant_id],
        )
        return {row[0] for row in cursor.fetchall()}
