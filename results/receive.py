"""Write down what arrived: one notification and one duty, in one statement, and nothing more.

This is the hot path. The statement is qualified with the merchant's schema, so it needs no SET before it, and it is
prepared, because planning it takes longer than running it; it carries its own proof that the route key still opens;
and a broken connection is tried once more on a fresh one, because PortOne V1 sends a webhook once (a doubled
notification does no harm, a refused one is lost). What a registered order or one of PortOne's own addresses speaks for
is owed before the rest, so that a flood of made-up ids delays no shop's payment.
"""

import os
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

from django.db import Error, connection
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from config import metrics
from results.core.budget import PORTONE_ADDRESSES
from results.core.claim import MAX_BYTES, Claim
from tenants.fields import new_id
from tenants.routing import KEY_STILL_OPENS, Route, twice_if_cut_off
from tenants.statements import run_hot

EXPECTED: Final = (
    "SELECT 1 FROM {schema}.results_order"
    " WHERE mode = %(mode)s AND merchant_uid = %(merchant_uid)s AND registered_at IS NOT NULL"
)
NOTED: Final = f"""
WITH route AS ({KEY_STILL_OPENS}),
noted AS (
    INSERT INTO {{schema}}.results_notification
        (id, mode, kind, received_at, imp_uid, merchant_uid, claim, address, page, raw, raw_expires_at, settled_at)
    SELECT %(id)s, %(mode)s, %(kind)s, %(at)s, %(imp_uid)s, %(merchant_uid)s, %(claim)s, %(address)s, %(page)s::uuid,
        %(raw)s, %(raw_expires_at)s, %(settled_at)s
    FROM route RETURNING id),
owed AS (
    INSERT INTO public.tenants_duty (kind, merchant, mode, lane, reference, due_at, tries)
    SELECT CASE WHEN %(from_portone)s OR EXISTS ({EXPECTED}) THEN 'vouched' ELSE 'verify' END,
        %(merchant)s, %(mode)s, %(lane)s, id, %(at)s, 0
    FROM noted WHERE %(verify)s)
SELECT 1 FROM noted
"""  # noqa: S608  our own constant


class Kind(StrEnum):
    LANDING = "landing"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One arrival as it stood on the wire. `raw` may hold a buyer's name: it is only ever kept sealed."""

    kind: Kind
    claim: Claim
    raw: bytes = field(repr=False)
    address: str | None = None
    page: UUID | None = None


class NotRecorded(Exception):
    """The database did not take the notification; the caller is to be told to try again."""


def new_page() -> UUID:
    """Return the random half of a result page's address."""
    return UUID(bytes=os.urandom(16))


def record(route: Route, arrival: Arrival, *, at: datetime) -> UUID | None:
    """Write the arrival down with the duty to verify it; None when the route key no longer opens.

    One database round trip. Raises NotRecorded when the database fails twice.
    """
    values = _values(route, arrival, at=at)
    outcome = "failed"
    try:
        recorded = twice_if_cut_off(partial(_insert, route, values))
        outcome = _outcome(arrival, recorded)
        return recorded
    except Error as error:
        connection.close()
        if isinstance(error.__cause__, UniqueViolation):
            # The ids are random: only our own first try can hold them, cut off after it was committed.
            outcome = _outcome(arrival, values["id"])
            return cast(UUID, values["id"])
        raise NotRecorded(type(error).__name__) from error
    finally:
        metrics.NOTIFICATIONS.labels(arrival.kind.value, outcome).inc()


def _outcome(arrival: Arrival, recorded: UUID | None) -> str:
    if recorded is None:
        return "closed"
    return "accepted" if arrival.claim.names_something else "unreadable"


def _insert(route: Route, values: dict[str, Any]) -> UUID | None:
    return values["id"] if run_hot(NOTED, route.schema, values, prepared=True).fetchone() else None


def _values(route: Route, arrival: Arrival, *, at: datetime) -> dict[str, Any]:
    id_, claim = new_id(), arrival.claim
    raw = seal_raw(route, arrival.raw, row=id_)
    owes_a_question = claim.names_something
    return {
        "id": id_,
        "route_key": route.key_id,
        "merchant": route.merchant_id,
        "mode": route.mode,
        "lane": route.lane,
        "kind": arrival.kind,
        "at": at,
        "imp_uid": claim.imp_uid,
        "merchant_uid": claim.merchant_uid,
        "claim": Jsonb(claim.as_json()),
        "address": arrival.address,
        "from_portone": arrival.address in PORTONE_ADDRESSES,
        # As text: a UUID would have a type that None has not, and each merchant two prepared statements.
        "page": str(arrival.page) if arrival.page else None,
        "raw": raw,
        "raw_expires_at": at + route.keeps_arrivals if raw else None,
        "settled_at": None if owes_a_question else at,
        "verify": owes_a_question,
    }


def seal_raw(route: Route, raw: bytes, *, row: UUID) -> bytes | None:
    """Seal what came; without the merchant's key it is left out, since a webhook comes once and must be accepted."""
    if not raw or route.vault is None:
        return None
    return route.vault.seal(raw[: 2 * MAX_BYTES], table="results_notification", field="raw", row=row)
