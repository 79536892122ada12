"""Answers, claims and registrations in any order: what is told stays true, and is told once.

PortOne's side of a payment is a timeline: one state an hour. Questions fall anywhere on it, and their answers are
applied late, twice and in any order, among claims and registrations. A model of a few lines, which knows only the
newest answer of each payment and what its state should be called, says what must come of it.

Each of these rules was taken out once, and some story here failed: older answers are dropped; a claim needs a
registered order and nothing verified, stays until something is, and is then superseded; amount, currency and
livemode are compared; a second payment of an order is reviewed; same news is told once, and the cancelled amount makes
it other news; review lifts no roll-up, and a claim counts in none; late registration judges again; a full cancel keeps
its name although a check fails; a partial one is read from the amounts; `late`, `previous`, the sequence and a reversed
deposit's name. That a claim is told once per order is kept twice, by its own moment and by the failed payment that it
leaves, so taking out the first alone shows nothing.

HYPOTHESIS_EXAMPLES sets how many orders of arrival each story is played in; HYPOTHESIS_SHRINK=1 makes failures small.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from results.claims import Told, publish_claim
from results.core.claim import Claim, Outcome
from results.core.ids import encode
from results.core.snapshot import Cancellation, Snapshot, VirtualAccount
from results.core.words import Cause, EventType, OrderStatus, PaymentStatus
from results.models import Order, Payment
from results.publish import publish_snapshot, register_order
from tenants.models import Merchant
from tenants.routing import Route, find_mode, inside
from tests.flow.timelines import (
    APPROVED,
    CANCELLED,
    CHEAP,
    CHEAP_ISSUED,
    CHEAP_PARTLY,
    CHEAP_REFUNDED,
    DEPOSITED,
    FURTHER,
    HOLDING,
    ISSUED,
    LEFT_OPEN,
    OPENED,
    PAID,
    PARTLY,
    PENDING,
    REFUNDED,
    REFUSED,
    REVIEW,
    SANDBOX,
    SWAPPED,
    WON,
    State,
    Timelines,
)
from tests.flow.told import check_all, check_news, read_told, say

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "20"))
# To make a failure small can take minutes against a database: only where somebody asks for it.
PHASES = [Phase.generate, *([Phase.shrink] if "HYPOTHESIS_SHRINK" in os.environ else [])]
BEGINNING = datetime(2027, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NEWEST = 29  # the last minute of an hour at which anybody asks: a window lives for thirty
NUMBERS = count(1)
MADE_UP = "imp_999999999999"

slow = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=PHASES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


# Each payment's hours, and the order's roll-up once the newest answer is applied.
TIMELINES: dict[str, tuple[tuple[State, ...], OrderStatus]] = {
    "card paid": ((OPENED, APPROVED), OrderStatus.PAID),
    "late approval": ((OPENED, REFUSED, APPROVED), OrderStatus.PAID),
    "approved after its window": ((OPENED, LEFT_OPEN, APPROVED), OrderStatus.PAID),
    "declined": ((OPENED, REFUSED), OrderStatus.FAILED),
    "window left open": ((OPENED, LEFT_OPEN), OrderStatus.EXPIRED),
    "partial to full cancel": ((OPENED, APPROVED, PARTLY, FURTHER, REFUNDED), OrderStatus.CANCELLED),
    "deposited": ((OPENED, ISSUED, DEPOSITED), OrderStatus.PAID),
    "deposit reversed": ((ISSUED, DEPOSITED, ISSUED), OrderStatus.AWAITING_DEPOSIT),
    "deposited again": ((ISSUED, DEPOSITED, ISSUED, DEPOSITED), OrderStatus.PAID),
    "forged amount": ((OPENED, CHEAP), OrderStatus.REGISTERED),
    "forged amount then refunded": ((OPENED, CHEAP, CHEAP_PARTLY, CHEAP_REFUNDED), OrderStatus.CANCELLED),
    "forged account": ((OPENED, CHEAP_ISSUED), OrderStatus.REGISTERED),
    "currency swap": ((OPENED, SWAPPED), OrderStatus.REGISTERED),
    "sandbox in live": ((OPENED, SANDBOX), OrderStatus.REGISTERED),
}
DUPLICATES: dict[str, Timelines] = {
    "the first is refunded": {"one": (OPENED, APPROVED, REFUNDED), "two": (OPENED, APPROVED)},
    "the second is refunded": {"one": (OPENED, APPROVED), "two": (OPENED, LEFT_OPEN, APPROVED, REFUNDED)},
}


@dataclass(frozen=True, slots=True)
class Ask:
    """An answer to a question that was sent in this hour of a payment's timeline."""

    payment: str
    hour: int
    minute: int
    named: bool = True

    @property
    def moment(self) -> timedelta:
        return self.hour * HOUR + self.minute * MINUTE


@dataclass(frozen=True, slots=True)
class Say:
    """A redirect's claim of a failure, naming one of the payments, none, or one that does not exist."""

    payment: str | None


@dataclass(frozen=True, slots=True)
class Register:
    """The merchant's server registers the order, for the first time or again."""


Action = Ask | Say | Register


@st.composite
def actions(draw: st.DrawFn, timelines: Timelines) -> list[Action]:
    """Draw what happens; the newest answer of each payment and a registration are always among it, somewhere.

    It begins with a customer who is still at the window, where claims belong.
    """
    names = st.sampled_from(sorted(timelines))
    says = st.builds(Say, st.none() | names | st.just(MADE_UP))
    begins = draw(st.lists(st.builds(Ask, names, st.just(0), st.integers(0, NEWEST - 1)) | says, max_size=5))
    asks = names.flatmap(
        lambda name: st.builds(
            Ask, st.just(name), st.integers(0, len(timelines[name]) - 1), st.integers(0, NEWEST - 1), st.booleans()
        )
    )
    some: list[Action] = list(draw(st.lists(asks, max_size=8)))
    some += [Ask(name, len(hours) - 1, NEWEST) for name, hours in timelines.items()]
    some += draw(st.lists(says | st.just(Register()), max_size=3))
    some += draw(st.lists(st.sampled_from(some), max_size=2))
    registered_first = draw(st.booleans())
    rest = draw(st.permutations(some if registered_first else [*some, Register()]))
    return [Register(), *begins, *rest] if registered_first else [*begins, *rest]


@dataclass(slots=True)
class Story:
    """One order, played against the real database and beside it in the model."""

    route: Route
    timelines: Timelines
    number: int = field(default_factory=lambda: next(NUMBERS))
    steps: int = 0
    registered: bool = False
    claimed: bool = False
    newest: dict[str, Ask] = field(default_factory=dict)
    called: dict[str, PaymentStatus] = field(default_factory=dict)
    news: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)

    @property
    def order(self) -> str:
        return f"order-{self.number}"

    @property
    def began(self) -> datetime:
        return BEGINNING + self.number * DAY

    @property
    def at(self) -> datetime:
        """The present, hours after every answer: each step is a minute, so that the limit of claims is not met."""
        return self.began + 12 * HOUR + self.steps * MINUTE

    def imp_uid(self, name: str) -> str:
        return name if name == MADE_UP else f"imp_{self.number:08d}{sorted(self.timelines).index(name):04d}"

    def play(self, happens: list[Action]) -> None:
        for action in happens:
            self.steps += 1
            match action:
                case Ask():
                    self.apply(action)
                case Say(payment):
                    self.say(payment)
                case Register():
                    self.register()

    def apply(self, ask: Ask) -> None:
        publish_snapshot(self.route, self.answer(ask), cause=Cause.RECONCILIATION, named_by_claim=ask.named, at=self.at)
        if ask.payment not in self.newest or ask.moment > self.newest[ask.payment].moment:
            self.newest[ask.payment] = ask
            self.conclude(ask.payment)

    def say(self, payment: str | None) -> None:
        imp_uid = self.imp_uid(payment) if payment else None
        claim = Claim(imp_uid, self.order, Outcome.FAILED, error_message="사용자가 결제를 취소하였습니다")

        told = publish_claim(self.route, claim, at=self.at)

        open_ = self.registered and not self.claimed and all(status == PENDING for status in self.called.values())
        assert told == (Told.YES if open_ else Told.NO), "a claim was told too late, twice or without an order"
        self.claimed |= told == Told.YES

    def register(self) -> None:
        register_order(self.route, merchant_uid=self.order, money=WON, at=self.at)
        self.registered = True
        for name in self.newest:
            self.conclude(name)

    def conclude(self, name: str) -> None:
        """Say what the newest answer means: its state's own name, or review beside a payment that holds money."""
        state = self.timelines[name][self.newest[name].hour]
        status = state.status if self.registered else state.unregistered
        review = state.review
        beside = [other for payment, other in self.called.items() if payment != name]
        if status in HOLDING and any(other in HOLDING for other in beside):
            status, review = REVIEW, EventType.REVIEW_DUPLICATE
        self.called[name] = status
        said = say(status, review, self.comparison, state.cancelled, moved=state.moved)
        news = self.news.setdefault(name, [])
        if status != PENDING and (not news or news[-1] != said):
            news.append(said)

    @property
    def comparison(self) -> str:
        return "matched" if self.registered else "not_checked"

    def answer(self, ask: Ask) -> Snapshot:
        """Return what PortOne answered then."""
        state = self.timelines[ask.payment][ask.hour]
        fields: dict[str, Any] = {"amount": Decimal(64900), "currency": "KRW", "sandbox": False} | state.fields
        if number := fields.pop("number", None):
            ends = self.began + 7 * DAY
            fields["virtual_account"] = VirtualAccount("088", "신한은행", number, None, self.began, ends)
        if state.cancelled:
            cancelled = Cancellation(f"c-{state.cancelled}", Decimal(1), None, None, self.began, None)
            fields |= {"cancellations": (cancelled,), "paid_at": self.began}
        return Snapshot(
            imp_uid=self.imp_uid(ask.payment),
            merchant_uid=self.order,
            status=state.says,
            cancel_amount=Decimal(state.cancelled),
            asked_at=self.began + ask.moment,
            started_at=self.began,
            **fields,
        )

    def check(self) -> None:
        """Compare all that was kept and told with the model, and with itself."""
        events = read_told(self.order)
        check_all(events)
        for name in self.newest:
            payment = Payment.objects.get(imp_uid=self.imp_uid(name))
            assert payment.status == self.called[name]
            mine = [event for event in events if event["data"]["payment"]["id"] == encode("pay", payment.id)]
            check_news(mine, self.news.get(name, []))

    def status(self) -> str:
        return Order.objects.get(merchant_uid=self.order).status


@contextmanager
def at_the_bakery(database: dict[str, Merchant]) -> Iterator[Route]:
    route = find_mode(database["bakery"].id, "live")
    assert route is not None
    with inside(route.schema):
        yield route


@pytest.mark.parametrize("title", TIMELINES)
@slow
@given(data=st.data())
def test_any_order_of_arrival_ends_in_the_truth(database: dict[str, Merchant], title: str, data: st.DataObject) -> None:
    """Once the newest answer is applied the payment and its order are right, and each change was told once."""
    timeline, rolled_up = TIMELINES[title]
    happens = data.draw(actions({"one": timeline}))

    with at_the_bakery(database) as route:
        story = Story(route, {"one": timeline})
        story.play(happens)

        story.check()
        assert story.called == {"one": timeline[-1].status}
        assert story.status() == rolled_up


@pytest.mark.parametrize("title", DUPLICATES)
@slow
@given(data=st.data())
def test_an_order_that_was_paid_twice_is_paid_once(
    database: dict[str, Merchant], title: str, data: st.DataObject
) -> None:
    """Never are two payments of an order told as paid; asked again after the refund, the one that is left is."""
    timelines = DUPLICATES[title]
    happens = data.draw(actions(timelines))
    again = [Ask(name, len(hours) - 1, NEWEST + 1) for name, hours in timelines.items()]

    with at_the_bakery(database) as route:
        story = Story(route, timelines)
        story.play(happens)
        story.check()
        story.play(list(data.draw(st.permutations(again))))

        story.check()
        assert sorted(story.called.values()) == [CANCELLED, PAID]
        assert story.status() == OrderStatus.PAID


@slow
@given(data=st.data())
def test_another_orders_payment_pays_nothing_here(database: dict[str, Merchant], data: st.DataObject) -> None:
    """A payment that is claimed for another order counts for its own alone, whenever the claim comes."""
    timelines = {"one": (OPENED, APPROVED)}
    before, after = data.draw(actions(timelines)), data.draw(actions(timelines))

    with at_the_bakery(database) as route:
        story, robbed = Story(route, timelines), Story(route, {})
        robbed.play([Register()])
        story.play(before)
        claim = Claim(story.imp_uid("one"), robbed.order, Outcome.SUCCEEDED)
        publish_claim(route, claim, at=robbed.at)
        story.play(after)

        story.check()
        robbed.check()
        assert (story.status(), robbed.status()) == (OrderStatus.PAID, OrderStatus.FAILED)
