"""The shape of a payment's story: what results/core/story.py holds, as a document.

A story holds no secret, no body and nothing personal; what that means is said there.
"""

from typing import Annotated, Literal

from ninja import Schema
from pydantic import Field

from api.payment_shapes import CheckMarks, Difference, OrderNumber, PaymentId, Previous, ResolutionOut
from api.schemas import Moment
from results.core.words import Flag, OrderStatus, PaymentStatus

Name = Annotated[str, Field(description="imp_…, or pay_… where PortOne has named none", examples=["imp_123456789012"])]


class StoryMoney(Schema):
    """Whole minor units of a currency."""

    amount: Annotated[int, Field(examples=[64900])]
    currency: Annotated[str, Field(examples=["KRW"])]
    exponent: int


class StoryAmounts(Schema):
    """What an event said of the money, in minor units."""

    currency: str
    exponent: int
    total: int
    captured: int
    cancelled: int


class StoryOrder(Schema):
    """What is expected, and the roll-up. `events` and `payments` count all, told of here or not."""

    id: OrderNumber
    status: OrderStatus
    flags: list[Flag]
    expected: StoryMoney | None
    source: Annotated[str, Field(description="who said so; empty: nobody", examples=["orders_api"])]
    registered_at: Moment | None
    expires_at: Moment | None
    events: int
    payments: int


class StorySaid(Schema):
    """What one answer of PortOne said: its own words, and amounts as text in major units, as PortOne writes them."""

    order: OrderNumber
    status: str
    amount: Annotated[str, Field(examples=["64900"])]
    cancelled: Annotated[str, Field(examples=["0"])]
    currency: str
    sandbox: bool


class StoryPayment(Schema):
    """One try to pay, and what is concluded of it now. `type` is the news that this would be, told or not."""

    id: PaymentId
    imp_uid: str | None
    status: PaymentStatus
    type: str
    version: int
    verified: str
    checks: CheckMarks
    mismatches: list[Difference]
    money_moved: bool
    final: bool
    said: StorySaid | None
    observed_at: Moment | None
    first_seen_at: Moment
    resolution: ResolutionOut | None


class StoryArrival(Schema):
    """One return of a customer, or one webhook of PortOne, and what it says: a claim, which decides nothing."""

    received_at: Moment
    kind: Annotated[str, Field(description="landing or webhook", examples=["webhook"])]
    imp_uid: str | None
    order: str | None
    outcome: str
    status: str | None
    event: str | None
    cancellation_id: str | None
    error_code: str | None
    problems: list[str]
    settled_at: Annotated[Moment | None, Field(description="when PortOne's answer settled it")]


class StoryQuestion(Schema):
    """One question to PortOne, and its answer."""

    asked_at: Moment
    question: Annotated[str, Field(examples=["single"])]
    imp_uid: str | None
    order: str | None
    answer: Annotated[str, Field(examples=["found"])]
    detail: str
    ms: int
    said: StorySaid | None


class StoryAttempt(Schema):
    """One request to an endpoint: an HTTP status, or an error in its place."""

    number: int
    trigger: Annotated[str, Field(examples=["schedule"])]
    started_at: Moment
    ms: int
    status: int | None
    error: Annotated[str, Field(description="empty when there was an answer", examples=["timeout"])]


class StoryDelivery(Schema):
    """One endpoint that is to hear an event. `held` says what of the endpoint it waits for."""

    endpoint: Annotated[str, Field(description="its host", examples=["shop.example"])]
    delivered_at: Moment | None
    given_up_at: Moment | None
    next_at: Moment | None
    held: Annotated[str, Field(description="paused, disabled or failing; empty: it listens")]
    attempts: list[StoryAttempt]


class StoryEvent(Schema):
    """What you were told, and the state as it was then."""

    id: str
    sequence: int | None
    type: str
    created_at: Moment
    payment: Name | None
    status: str | None
    verified: str | None
    failed_checks: list[str]
    checks: CheckMarks | None
    amounts: StoryAmounts | None
    cause: str | None
    late: bool
    supersedes: str | None
    previous: Previous | None
    deliveries: list[StoryDelivery]


class StoryDuty(Schema):
    """Something that is still to be done by itself."""

    kind: Annotated[str, Field(examples=["ask"])]
    about: str
    due_at: Moment
    tries: int


class StoryOut(Schema):
    """All that is known of one payment; of every payment of its order while PortOne has not named it.

    Lists hold the newest entries, oldest first; `left_out` names those that were longer.
    """

    object: Literal["story"]
    payment: PaymentId
    livemode: bool
    at: Moment
    order: StoryOrder | None
    payments: list[StoryPayment]
    arrivals: list[StoryArrival]
    questions: list[StoryQuestion]
    events: list[StoryEvent]
    duties: list[StoryDuty]
    left_out: list[str]
