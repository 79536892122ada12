"""The shape of a payment and of an event, as the documents of both name it: what `data.payment` of a callback says."""

from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import Field

from api.orders import Expectation
from api.schemas import Moment
from results.core.failure_codes import Category, Confidence, CustomerAction, FailureCode
from results.core.words import Cause, Check, EventType, Flag, MethodType, OrderStatus, PaymentStatus, Verified

PaymentId = Annotated[str, Field(examples=["pay_01KB3Z5W8E9M2Q4T6V8X0Z1B3D"])]
EventId = Annotated[str, Field(examples=["evt_01KB3Z60C7A1B2C3D4E5F6G7H8"])]
OrderNumber = Annotated[str, Field(description="the order's own number, its merchant_uid", examples=["order-1042"])]
Minor = Annotated[int, Field(description="minor units: 64900 is ₩64,900", examples=[64900])]


class Amount(Schema):
    """Whole minor units. `captured - cancelled = balance`."""

    currency: Annotated[str, Field(examples=["KRW"])]
    exponent: Annotated[int, Field(description="digits behind the point of a major unit", examples=[0])]
    total: Minor
    captured: Minor
    cancelled: Annotated[int, Field(examples=[0])]
    balance: Minor


class CheckMarks(Schema):
    """The six ways in which a payment was compared."""

    account: Check
    order: Check
    amount: Check
    currency: Check
    livemode: Check
    uniqueness: Check


class Difference(Schema):
    """One field that is not as expected: integers in minor units, or words."""

    field: Annotated[str, Field(examples=["amount"])]
    expected: bool | int | str | None
    actual: bool | int | str | None


class Verification(Schema):
    """How far the payment can be trusted: only `matched` was compared with what your server said."""

    result: Verified
    checks: CheckMarks
    mismatches: list[Difference]
    observed_at: Annotated[Moment | None, Field(description="when PortOne was asked for what is said here")]


class Provider(Schema):
    """The payment as PortOne names it."""

    name: Annotated[str, Field(examples=["portone_v1"])]
    imp_uid: Annotated[str | None, Field(examples=["imp_123456789012"])]
    merchant_uid: OrderNumber
    status: Annotated[str | None, Field(description="PortOne's own word", examples=["paid"])]
    pg: Annotated[str | None, Field(examples=["html5_inicis"])]
    pg_merchant_id: str | None
    pg_transaction_id: str | None
    channel: str | None
    sandbox: bool | None


class CardUsed(Schema):
    """A card, masked."""

    issuer_code: str | None
    issuer_name: Annotated[str | None, Field(examples=["신한카드"])]
    bin6: str | None
    last4: str | None
    masked: str | None
    kind: Annotated[str, Field(examples=["credit"])]
    installments: int
    approval_number: str | None


class AccountIssued(Schema):
    """The bank account that waits, or waited, for one deposit."""

    bank_code: str | None
    bank_name: str | None
    number: str
    holder: str | None
    issued_at: Moment | None
    expires_at: Moment | None
    depositor: None


class Method(Schema):
    """How it was paid. `card` and `virtual_account` are there when PortOne tells of one."""

    type: MethodType
    raw: Annotated[str | None, Field(description="PortOne's own word", examples=["card"])]
    easy_pay: str | None
    card: CardUsed = None  # type: ignore[assignment]  # left out, never null
    virtual_account: AccountIssued = None  # type: ignore[assignment]


class FailureSaid(Schema):
    """What was really said of a failure, and by whom: somebody else's text."""

    source: Annotated[str, Field(examples=["portone"])]
    code: str | None
    message: str | None


class FailureOut(Schema):
    """Why it failed, in words that are the same for every PG."""

    code: FailureCode
    category: Category
    retryable: bool
    customer_action: CustomerAction
    confidence: Confidence
    raw: FailureSaid


class ResolutionOut(Schema):
    """How a review was ended."""

    decision: Literal["accepted", "rejected"]
    reason: str
    at: Moment


class CancellationOut(Schema):
    """One cancellation; its amount is null when PortOne's is not exact in the currency."""

    id: str
    amount: int | None
    reason: str | None
    pg_transaction_id: str | None
    cancelled_at: Moment | None
    receipt_url: str | None


class Times(Schema):
    """When what happened; null for what did not."""

    started_at: Moment | None
    paid_at: Moment | None
    failed_at: Moment | None
    cancelled_at: Moment | None
    first_seen_at: Moment


class PaymentBody(Schema):
    """One try to pay an order: what `data.payment` of an event says."""

    id: PaymentId
    version: Annotated[int, Field(description="number of the change that was told; grows", examples=[1])]
    status: PaymentStatus
    money_moved: bool
    final: Annotated[bool, Field(description="nothing can change by itself any more")]
    amount: Amount | None
    verification: Verification
    provider: Provider
    method: Method | None
    failure: FailureOut | None
    resolution: ResolutionOut | None
    cancellations: list[CancellationOut]
    times: Times
    receipt_url: str | None
    metadata: Annotated[dict[str, Any], Field(description="what your server said of the order")]
    customer: None


class PaymentOut(PaymentBody):
    """A payment, exactly as its newest event tells it, and where it belongs."""

    object: Literal["payment"]
    livemode: bool
    order: OrderNumber
    event: Annotated[EventId | None, Field(description="the newest event; null while there is nothing to tell")]
    checked_at: Annotated[
        Moment | None,
        Field(description="when PortOne was last asked with success; later than what was told if no news"),
    ]


class EventOrder(Schema):
    """The order's part of an event."""

    id: OrderNumber
    status: OrderStatus
    flags: list[Flag]
    expected: Expectation | None


class Previous(Schema):
    """What the payment's event before this one said."""

    status: PaymentStatus
    version: int
    cancelled: int


class EventData(Schema):
    """What happened: order and payment, or one key that says of what the news is."""

    order: EventOrder = None  # type: ignore[assignment]  # left out, never null
    payment: PaymentBody = None  # type: ignore[assignment]
    account: dict[str, Any] = None  # type: ignore[assignment]
    claim: dict[str, Any] = None  # type: ignore[assignment]
    endpoint: dict[str, Any] = None  # type: ignore[assignment]


class Links(Schema):
    """Where to read on."""

    payment: Annotated[str, Field(description="the payment as it is now")] = None  # type: ignore[assignment]


class EventOut(Schema):
    """One change, frozen: these bytes were signed and sent, and never change."""

    id: EventId
    object: Literal["event"]
    spec: Annotated[str, Field(examples=["2026-12-01"])]
    type: EventType
    created_at: Moment
    livemode: bool
    merchant: Annotated[str, Field(examples=["mer_06F8M2Q4T6V8X0Z1B3D5F7H9K1"])]
    sequence: Annotated[int | None, Field(description="number within its order; null for news of no order")]
    previous: Previous | None
    cause: Cause | None
    late: bool
    supersedes: EventId | None
    data: EventData
    links: Links
