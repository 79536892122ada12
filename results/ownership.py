"""Whose payment is it? PortOne answers every holder of an account's keys, and several merchants may hold them.

A payment belongs to the merchant and mode that published it first, for ever. As soon as a second merchant holds keys
of the account, only a registered order gives a right to its payment: PortOne's answer alone no longer does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

from django.db import connection

from results.core.snapshot import Snapshot
from results.models import Payment
from tenants.routing import Route
from tenants.statements import Statement, run_together

OWN: Final = """
WITH own AS MATERIALIZED (
    SELECT mine.account, EXISTS (
        SELECT 1 FROM public.tenants_credential AS other
        WHERE other.account = mine.account AND other.merchant_id <> mine.merchant_id
    ) AS shared
    FROM public.tenants_credential AS mine
    WHERE mine.merchant_id = %(merchant)s AND mine.mode = %(mode)s AND mine.account IS NOT NULL
)"""
# Not the ORM, which has no INSERT ... SELECT: whether each payment may be taken is decided where its rows are locked.
# One by one (LIMIT), or a table that grew faster than its statistics is read through.
TAKE: Final = f"""{OWN}
INSERT INTO public.tenants_takenpayment (account, imp_uid, merchant, mode, taken_at)
SELECT own.account, wanted.imp_uid, %(merchant)s, %(mode)s, %(at)s
FROM own, unnest(%(imp_uids)s::text[], %(orders)s::text[], %(asked)s::timestamptz[])
    AS wanted (imp_uid, merchant_uid, asked_at)
LEFT JOIN LATERAL (
    SELECT id, registered_at FROM {{schema}}.results_order
    WHERE mode = %(mode)s AND merchant_uid = wanted.merchant_uid LIMIT 1
) AS paid ON true
LEFT JOIN LATERAL (
    SELECT id, order_id, taken_at, observed_at FROM {{schema}}.results_payment
    WHERE mode = %(mode)s AND imp_uid = wanted.imp_uid LIMIT 1
) AS known ON true
WHERE (paid.registered_at IS NOT NULL OR NOT own.shared)
    AND (known.id IS NULL OR known.taken_at IS NULL AND known.order_id = paid.id
        AND (wanted.asked_at IS NULL OR known.observed_at IS NULL OR known.observed_at < wanted.asked_at))
ORDER BY wanted.imp_uid
ON CONFLICT (account, imp_uid) DO NOTHING
"""  # noqa: S608  our own constant
# A statement of its own: whoever was faster committed while TAKE waited, which that one's view could not show.
OWNERS: Final = f"""{OWN}
SELECT own.shared, taken.imp_uid, taken.merchant, taken.mode FROM own
LEFT JOIN public.tenants_takenpayment AS taken ON taken.account = own.account AND taken.imp_uid = ANY(%(imp_uids)s)
"""  # noqa: S608  our own constant


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


@dataclass(frozen=True, slots=True)
class Owners:
    """Who has taken which payments of an account, and whether several merchants hold its keys."""

    route: Route
    shared: bool
    owners: dict[str, tuple[UUID, str]]

    def of(self, payment: Payment, *, at: datetime) -> Ownership:
        """Say whose a payment is; of one that is ours now note that it is, which the caller saves."""
        if payment.taken_at is not None:
            return Ownership(Owner.US)
        match self.owners.get(payment.imp_uid or ""):
            case None:
                return Ownership(Owner.NOBODY, self.shared)
            case (merchant, mode) if (merchant, mode) == (self.route.merchant_id, self.route.mode):
                payment.taken_at = at
                return Ownership(Owner.US, self.shared)
            case (merchant, _):
                # This merchant's other mode is no stranger: that the payment is of the other mode is for the judge.
                is_ours = merchant == self.route.merchant_id
                return Ownership(Owner.NOBODY if is_ours else Owner.NEIGHBOUR, self.shared)


def taking(route: Route, snapshots: Sequence[Snapshot], *, again: bool = False, at: datetime) -> list[Statement]:
    """Return the statements that take payments for this merchant and mode if that may be, and say whose they are.

    They run in the transaction that publishes, after the locks of orders and payments. They take by `imp_uid` and
    wait for a neighbour who is taking the same payment just now: two never wait for each other in a ring. `again`
    takes upon answers that were applied before; those that came too late to be applied take nothing.
    """
    fitting = [one for one in snapshots if one.sandbox != route.livemode]
    account = {"merchant": route.merchant_id, "mode": route.mode}
    wanted = {
        "imp_uids": [one.imp_uid for one in fitting],
        "orders": [one.merchant_uid for one in fitting],
        "asked": [None if again else one.asked_at for one in fitting],
        "at": at,
    }
    take = [Statement(TAKE, account | wanted)] if fitting else []
    return [*take, Statement(OWNERS, account | {"imp_uids": [one.imp_uid for one in snapshots]})]


def read_owners(route: Route, rows: Sequence[tuple[Any, ...]]) -> Owners:
    """Read what the last of those statements found: nothing when this mode's keys do not say which account it is."""
    owners = {imp_uid: (merchant, mode) for _, imp_uid, merchant, mode in rows if imp_uid}
    return Owners(route, any(shared for shared, *_ in rows), owners)


def take(route: Route, snapshots: Sequence[Snapshot], *, at: datetime) -> Owners:
    """Take payments upon answers that were applied before, if that may be, and say whose they are."""
    return read_owners(route, run_together(route.schema, taking(route, snapshots, again=True, at=at))[-1])


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
