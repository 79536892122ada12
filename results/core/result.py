"""What do we tell the merchant? One change of one payment in the shape promised to merchants, frozen as bytes.

The envelope is written once and kept as bytes: every retry and replay sends the same ones, so whatever belongs to a
single delivery stays out of it. Money is integers in minor units with an exponent; times are RFC 3339 in UTC with
milliseconds; what is not known is null, never 0 and never "".
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from results.core.classify import Amounts, Checks, Expected, Judgement, Mismatch
from results.core.failures import Failure
from results.core.method import describe_method
from results.core.money import InexactAmount, UnknownCurrency, to_minor
from results.core.snapshot import Cancellation, Snapshot
from results.core.words import SPEC, Cause, EventType, Flag, OrderStatus, PaymentStatus, Verified


@dataclass(frozen=True, slots=True)
class OrderView:
    """The order's part of a result. `id` is the merchant_uid."""

    id: str
    status: OrderStatus
    flags: tuple[Flag, ...]
    expected: Expected | None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a member ended a review: `accepted` lets the money count, `rejected` does not."""

    decision: str
    reason: str
    at: datetime

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        return cls(kept["decision"], kept["reason"], datetime.fromisoformat(kept["at"]))


@dataclass(frozen=True, slots=True)
class PaymentView:
    """The payment's part of a result. A claimed payment has no snapshot."""

    id: str
    version: int
    status: PaymentStatus
    verified: Verified
    checks: Checks
    mismatches: tuple[Mismatch, ...]
    money_moved: bool
    final: bool
    amounts: Amounts | None
    failure: Failure | None
    snapshot: Snapshot | None
    first_seen_at: datetime
    resolution: Resolution | None = None


@dataclass(frozen=True, slots=True)
class Previous:
    """What the payment's newest event said before this one."""

    status: PaymentStatus
    version: int
    cancelled: int


@dataclass(frozen=True, slots=True)
class Result:
    """One change of one payment."""

    id: str
    type: EventType
    created_at: datetime
    livemode: bool
    merchant: str
    sequence: int
    previous: Previous | None
    cause: Cause
    late: bool
    supersedes: str | None
    order: OrderView
    payment: PaymentView
    link: str

    def envelope(self) -> dict[str, Any]:
        """Return the event as plain JSON values, in the documented order."""
        return {
            "id": self.id,
            "object": "event",
            "spec": SPEC,
            "type": self.type,
            "created_at": written_time(self.created_at),
            "livemode": self.livemode,
            "merchant": self.merchant,
            "sequence": self.sequence,
            "previous": asdict(self.previous) if self.previous else None,
            "cause": self.cause,
            "late": self.late,
            "supersedes": self.supersedes,
            "data": {"order": _order(self.order), "payment": describe_payment(self.payment, self.order)},
            "links": {"payment": self.link},
        }


@dataclass(frozen=True, slots=True)
class Notice:
    """News that concern no order: of the account, an endpoint or a claim. `data` has one key, which says of which."""

    id: str
    type: EventType
    created_at: datetime
    livemode: bool
    merchant: str
    data: dict[str, Any]

    def envelope(self) -> dict[str, Any]:
        """Return the event in the order of a Result's fields; those that need an order are null."""
        return {
            "id": self.id,
            "object": "event",
            "spec": SPEC,
            "type": self.type,
            "created_at": written_time(self.created_at),
            "livemode": self.livemode,
            "merchant": self.merchant,
            "sequence": None,
            "previous": None,
            "cause": None,
            "late": False,
            "supersedes": None,
            "data": self.data,
            "links": {},
        }


def freeze(envelope: dict[str, Any]) -> bytes:
    """Return the bytes that are signed and sent, on every attempt the same."""
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def written_time(moment: datetime | None) -> str | None:
    """Return RFC 3339 in UTC with milliseconds and Z; None for what never happened."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _order(order: OrderView) -> dict[str, Any]:
    return {
        "id": order.id,
        "status": order.status,
        "flags": sorted(order.flags),
        "expected": _expected(order.expected),
    }


def _expected(expected: Expected | None) -> dict[str, Any] | None:
    if expected is None:
        return None
    money = expected.money
    return {
        "amount": money.amount,
        "currency": money.currency,
        "exponent": money.exponent,
        "source": expected.source,
        "registered_at": written_time(expected.registered_at),
    }


def describe_payment(payment: PaymentView, order: OrderView) -> dict[str, Any]:
    """Return the `payment` object of an event."""
    snapshot = payment.snapshot
    return {
        "id": payment.id,
        "version": payment.version,
        "status": payment.status,
        "money_moved": payment.money_moved,
        "final": payment.final,
        "amount": _amount(payment.amounts),
        "verification": {
            "result": payment.verified,
            "checks": asdict(payment.checks),
            "mismatches": [asdict(mismatch) for mismatch in payment.mismatches],
            "observed_at": written_time(snapshot.asked_at) if snapshot else None,
        },
        "provider": _provider(snapshot, order.id),
        "method": _method(snapshot),
        "failure": _failure(payment.failure),
        "resolution": _resolution(payment.resolution),
        "cancellations": list(_cancellations(snapshot)) if snapshot else [],
        "times": _times(snapshot, payment.first_seen_at),
        "receipt_url": snapshot.receipt_url if snapshot else None,
        "metadata": order.metadata,
        "customer": None,
    }


def _amount(amounts: Amounts | None) -> dict[str, Any] | None:
    return None if amounts is None else asdict(amounts) | {"balance": amounts.balance}


def _provider(snapshot: Snapshot | None, merchant_uid: str) -> dict[str, Any]:
    return {
        "name": "portone_v1",
        "imp_uid": snapshot.imp_uid if snapshot else None,
        "merchant_uid": merchant_uid,
        "status": snapshot.status if snapshot else None,
        "pg": snapshot.pg if snapshot else None,
        "pg_merchant_id": snapshot.pg_merchant_id if snapshot else None,
        "pg_transaction_id": snapshot.pg_transaction_id if snapshot else None,
        "channel": snapshot.channel if snapshot else None,
        "sandbox": snapshot.sandbox if snapshot else None,
    }


def _method(snapshot: Snapshot | None) -> dict[str, Any] | None:
    if snapshot is None:
        return None
    method = describe_method(snapshot)
    if account := method.get("virtual_account"):
        account |= {name: written_time(account[name]) for name in ("issued_at", "expires_at")}
    return method


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {
        "code": failure.code,
        "category": failure.category,
        "retryable": failure.retryable,
        "customer_action": failure.customer_action,
        "confidence": failure.confidence,
        "raw": {"source": failure.raw_source, "code": failure.raw_code, "message": failure.raw_message},
    }


def _resolution(resolution: Resolution | None) -> dict[str, Any] | None:
    if resolution is None:
        return None
    return {"decision": resolution.decision, "reason": resolution.reason, "at": written_time(resolution.at)}


def _cancellations(snapshot: Snapshot) -> Iterable[dict[str, Any]]:
    for entry in snapshot.cancellations:
        yield {
            "id": entry.id,
            "amount": _minor(entry, snapshot.currency),
            "reason": entry.reason,
            "pg_transaction_id": entry.pg_transaction_id,
            "cancelled_at": written_time(entry.cancelled_at),
            "receipt_url": entry.receipt_url,
        }


def _minor(entry: Cancellation, currency: str) -> int | None:
    try:
        return to_minor(entry.amount, currency).amount
    except (InexactAmount, UnknownCurrency):
        return None


def _times(snapshot: Snapshot | None, first_seen_at: datetime) -> dict[str, str | None]:
    names = ("started_at", "paid_at", "failed_at", "cancelled_at")
    times = {name: written_time(getattr(snapshot, name)) if snapshot else None for name in names}
    return times | {"first_seen_at": written_time(first_seen_at)}


def view_judgement(
    judgement: Judgement, snapshot: Snapshot, *, id: str, version: int, first_seen_at: datetime
) -> PaymentView:
    """Return the payment's part of the result that a judgement leads to."""
    return PaymentView(
        id=id,
        version=version,
        status=judgement.status,
        verified=judgement.verified,
        checks=judgement.checks,
        mismatches=judgement.mismatches,
        money_moved=judgement.money_moved,
        final=judgement.final,
        amounts=judgement.amounts,
        failure=judgement.failure,
        snapshot=snapshot,
        first_seen_at=first_seen_at,
    )


def view_claim(failure: Failure, *, id: str, version: int, first_seen_at: datetime) -> PaymentView:
    """Return the payment's part of a result that rests on a redirect's own words."""
    return _unverified(PaymentStatus.FAILED, Verified.CLAIMED, failure, id, version, first_seen_at)


def view_waiting(*, id: str, version: int, first_seen_at: datetime) -> PaymentView:
    """Return the payment's part of a result that says only that PortOne does not answer."""
    return _unverified(PaymentStatus.PENDING, Verified.UNAVAILABLE, None, id, version, first_seen_at)


def _unverified(
    status: PaymentStatus, verified: Verified, failure: Failure | None, id: str, version: int, first_seen_at: datetime
) -> PaymentView:
    return PaymentView(
        id=id,
        version=version,
        status=status,
        verified=verified,
        checks=Checks(),
        mismatches=(),
        money_moved=False,
        final=False,
        amounts=None,
        failure=failure,
        snapshot=None,
        first_seen_at=first_seen_at,
    )
