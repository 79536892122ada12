"""PortOne's side of a story: what it shows of a payment, step by step, and what each step is to be called."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from results.core.money import Money
from results.core.words import EventType, PaymentStatus

WON = Money(64900, "KRW", 0)
PENDING, AWAITING, PAID, PARTIAL, CANCELLED, FAILED, EXPIRED, REVIEW = PaymentStatus
HOLDING = (PAID, PARTIAL)


@dataclass(frozen=True, slots=True)
class State:
    """What PortOne shows during one hour, and what it is to be called, also while nobody has registered the order."""

    status: PaymentStatus
    unregistered: PaymentStatus
    says: str
    cancelled: int = 0
    review: EventType = EventType.REVIEW_AMOUNT
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def moved(self) -> bool:
        """True when money reached the PG, if it is to be reviewed; in a sandbox none does."""
        return self.says != "ready" and not self.fields.get("sandbox")


Timelines = Mapping[str, tuple[State, ...]]


def shows(
    says: str,
    status: PaymentStatus,
    *,
    unregistered: PaymentStatus | None = None,
    cancelled: int = 0,
    review: EventType = EventType.REVIEW_AMOUNT,
    **fields: Any,
) -> State:
    return State(status, unregistered or status, says, cancelled, review, fields)


ACCOUNT: dict[str, Any] = {"pay_method": "vbank", "number": "562-100-984"}
FORGED: dict[str, Any] = {"amount": Decimal(1000)}
OPENED, APPROVED = shows("ready", PENDING), shows("paid", PAID)
REFUSED = shows("failed", FAILED, fail_reason="한도 초과")
ISSUED, DEPOSITED = shows("ready", AWAITING, **ACCOUNT), shows("paid", PAID, **ACCOUNT)
PARTLY, FURTHER = shows("paid", PARTIAL, cancelled=10000), shows("cancelled", PARTIAL, cancelled=30000)
REFUNDED = shows("cancelled", CANCELLED, cancelled=64900)
CHEAP = shows("paid", REVIEW, unregistered=PAID, **FORGED)
CHEAP_PARTLY = shows("paid", REVIEW, unregistered=PARTIAL, cancelled=400, **FORGED)
CHEAP_REFUNDED = shows("cancelled", CANCELLED, cancelled=1000, **FORGED)
CHEAP_ISSUED = shows("ready", REVIEW, unregistered=AWAITING, **ACCOUNT, **FORGED)
CHEAP_DEPOSITED = shows("paid", REVIEW, unregistered=PAID, **ACCOUNT, **FORGED)
SWAPPED = shows("paid", REVIEW, unregistered=PAID, review=EventType.REVIEW_CURRENCY, currency="USD")
SANDBOX = shows("paid", REVIEW, review=EventType.REVIEW_LIVEMODE, sandbox=True)
SANDBOX_OPENED = shows("ready", PENDING, sandbox=True)
LEFT_OPEN = shows("ready", EXPIRED)
