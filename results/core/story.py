"""What can be said of one payment from its first arrival to its last try? The shape of a story, and nothing else.

A story holds no secret, no body and nothing personal: of an endpoint only its host, since path and query may hold the
merchant's own secret; of a redirect not its message, which is a stranger's text; of PortOne's answer no card, account
or name.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from results.core.classify import Amounts, Checks, Mismatch
from results.core.money import Money
from results.core.result import Previous, Resolution, written_time


@dataclass(frozen=True, slots=True)
class OrderPart:
    """What the merchant expects, and the roll-up. `events` and `payments` count all, told of here or not."""

    id: str
    status: str
    flags: tuple[str, ...]
    expected: Money | None
    source: str
    registered_at: datetime | None
    expires_at: datetime | None
    events: int
    payments: int


@dataclass(frozen=True, slots=True)
class Said:
    """What one answer of PortOne said: its own word, and amounts in major units as V1 writes them."""

    order: str
    status: str
    amount: Decimal
    cancelled: Decimal
    currency: str
    sandbox: bool


@dataclass(frozen=True, slots=True)
class PaymentPart:
    """One try to pay, and what is concluded of it now. `type` is the news that this would be, told or not."""

    id: str
    imp_uid: str | None
    status: str
    type: str
    version: int
    verified: str
    checks: Checks
    mismatches: tuple[Mismatch, ...]
    money_moved: bool
    final: bool
    said: Said | None
    observed_at: datetime | None
    first_seen_at: datetime
    resolution: Resolution | None = None


@dataclass(frozen=True, slots=True)
class ArrivalPart:
    """One landing or webhook, and what it says: a claim. `sealed` says whether what came is still kept, sealed."""

    id: UUID
    received_at: datetime
    kind: str
    imp_uid: str | None
    order: str | None
    outcome: str
    status: str | None
    event: str | None
    cancellation_id: str | None
    error_code: str | None
    problems: tuple[str, ...]
    settled_at: datetime | None
    sealed: bool


@dataclass(frozen=True, slots=True)
class QuestionPart:
    """One question to PortOne and its answer; a batch or an order that held several payments is several.

    `sealed` says whether the whole answer is still kept, sealed.
    """

    id: UUID
    asked_at: datetime
    question: str
    imp_uid: str | None
    order: str | None
    answer: str
    detail: str
    ms: int
    said: Said | None
    sealed: bool


@dataclass(frozen=True, slots=True)
class AttemptPart:
    """One request to an endpoint: an HTTP status, or an error in its place."""

    id: UUID
    number: int
    trigger: str
    started_at: datetime
    ms: int
    status: int | None
    error: str


@dataclass(frozen=True, slots=True)
class DeliveryPart:
    """One endpoint that is to hear an event. `held` says of its endpoint: `paused`, `disabled`, `failing` or `deleted`.

    What fails so often is only probed, until it is back.
    """

    endpoint: str
    delivered_at: datetime | None
    given_up_at: datetime | None
    next_at: datetime | None
    held: str
    attempts: tuple[AttemptPart, ...]
    endpoint_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class EventPart:
    """What the merchant was told: the state as it was then, read from the event's own bytes."""

    id: str
    sequence: int | None
    type: str
    created_at: datetime
    payment: str | None
    status: str | None
    verified: str | None
    failed_checks: tuple[str, ...]
    checks: Checks | None
    amounts: Amounts | None
    cause: str | None
    late: bool
    supersedes: str | None
    previous: Previous | None
    deliveries: tuple[DeliveryPart, ...]


@dataclass(frozen=True, slots=True)
class DutyPart:
    """Something that is still owed. A worker that has it on lease has moved `due_at` to the lease's end."""

    kind: str
    about: str
    due_at: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one payment, or of every payment of an order.

    Lists hold the newest entries, oldest first; `left_out` names those that were longer.
    """

    at: datetime
    merchant: str
    merchant_name: str
    mode: str
    order: OrderPart | None
    payments: tuple[PaymentPart, ...]
    arrivals: tuple[ArrivalPart, ...]
    questions: tuple[QuestionPart, ...]
    events: tuple[EventPart, ...]
    duties: tuple[DutyPart, ...]
    left_out: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON: times in UTC with milliseconds and Z, decimals as text."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return written_time(value)
        case Decimal():
            return format(value, "f")
        case UUID():
            return str(value)
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
    return value
