"""What really went over the wire? One attempt with its answer, and what is kept sealed, opened for an admin."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from results.core.ids import encode
from results.core.masking import cap, mask, printable
from results.models import Attempt, Notification, Payment, Verification
from results.story import find_subject, host_of
from results.views.dashboard.payment_story import Clock, clock_of
from results.views.dashboard.payment_words import ERRORS, Text, words
from tenants.encryption import SealingError
from tenants.models import AuditEntry
from tenants.routing import Route

Kind = str
ARRIVAL, ANSWER = "arrival", "answer"
UNSHOWN: Final = "•••"


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """One request and its answer, as they may be shown: no signature, no header of the merchant's own."""

    id: UUID
    number: int
    clock: Clock
    endpoint: str
    headers: Mapping[str, str]
    body: str
    status: int | None
    error: Text
    code: str
    ms: int
    answer: str
    is_cut: bool


def draw_attempt(payment: Payment, id: UUID) -> ShownAttempt | None:
    """Return an attempt to tell of this payment, or of its order while it has no number of its own; one query."""
    made = Attempt.objects.select_related("delivery__event", "delivery__endpoint")
    one = made.filter(id=id, delivery__event__order=payment.order_id).first()
    if one is None:
        return None
    return ShownAttempt(
        id=one.id,
        number=one.number,
        clock=clock_of(one.started_at),
        endpoint=host_of(one.delivery.endpoint.url),
        headers=headers_of(one),
        body=as_text(bytes(one.delivery.event.body)),
        status=one.status,
        error=words(ERRORS, one.error) if one.error else "",
        code=one.error,
        ms=one.duration_ms,
        answer=as_text(bytes(one.body)),
        is_cut=one.truncated,
    )


def headers_of(attempt: Attempt) -> dict[str, str]:
    """Return the headers of ours that went along; of the signature only that there was one."""
    headers = {
        "content-type": "application/json; charset=utf-8",
        "user-agent": "Paywitness",
        "webhook-id": encode("evt", attempt.delivery.event_id),
        "webhook-timestamp": str(int(attempt.started_at.timestamp())),
        "webhook-signature": UNSHOWN,
        "x-paywitness-attempt": str(attempt.number),
    }
    return headers | ({"x-paywitness-replay": "true"} if attempt.trigger == Attempt.Trigger.REPLAY else {})


def as_text(content: bytes) -> str:
    return cap(printable(content.decode("utf-8", "replace")))


def open_raw(route: Route, payment: str, kind: Kind, row: UUID, *, actor: str, at: datetime) -> str | None:
    """Return what is kept sealed of an arrival or an answer about this payment, masked; None when nothing is.

    That it was opened is written down first.
    """
    about = find_subject(route.mode, payment).mentions()
    model = Notification if kind == ARRIVAL else Verification
    found = model.objects.filter(about, mode=route.mode, id=row).exclude(raw=None).first()
    if found is None:
        return None
    AuditEntry.objects.create(
        merchant_id=route.merchant_id,
        at=at,
        actor=actor,
        action="raw.opened",
        subject=payment,
        detail={"mode": route.mode, "kind": kind, "row": str(row)},
    )
    try:
        return mask(_open(route, kind, row, bytes(found.raw or b"")))
    except SealingError:
        return ""


def _open(route: Route, kind: Kind, row: UUID, sealed: bytes) -> bytes:
    """Open one of these two columns; the tables are named, so that no other can ever be meant."""
    vault = route.open_vault()
    if kind == ARRIVAL:
        return vault.open(sealed, table="results_notification", field="raw", row=row)
    return vault.open(sealed, table="results_verification", field="raw", row=row)
