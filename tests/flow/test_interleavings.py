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

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, groupby
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from results.claims import Told, publish_claim
from results.core.claim import Claim, Outcome
from results.core.ids import encode
from results.core.money import Money
from results.core.snapshot import Cancellation, Snapshot, VirtualAccount
from results.core.words import Cause, EventType, OrderStatus, PaymentStatus
from results.models import Event, Order, Payment
from results.publish import publish_snapshot, register_order
from tenants.models import Merchant
from tenants.routing import Route, find_mode, inside

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "20"))
# To make a failure small can take minutes against a database: only where somebody asks for it.
PHASES = [Phase.generate, *([Phase.shrink] if "HYPOTHESIS_SHRINK" in os.environ else [])]
BEGINNING = datetime(2027, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NEWEST = 29  # the last minute of an hour at which anybody asks: a window lives for thirty
NUMBERS = count(1)
WON = Money(64900, "KRW", 0)
MADE_UP = "imp_999999999999"

PENDING, AWAITING, PAID, PARTIAL, CANCELLED, FAILED, EXPIRED, REVIEW = PaymentStatus
HOLDING = (PAID, PARTIAL)
ENVELOPE = "id,object,spec,type,created_at,livemode,merchant,sequence,previous,cause,late,supersedes,data,links"
PAYMENT = (
    "id,version,status,money_moved,final,amount,verification,provider,method,failure,resolution,cancellations,times,receipt_url,"
    "metadata,customer"
)

slow = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=PHASES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True, slots=True)
class State:
    """What PortOne shows during one hour, and what it is to be called, also while nobody has registered the order."""

    status: PaymentStatus
    unregistered: PaymentStatus
    says: str
    cancelled: int = 0
    review: EventType = EventType.REVIEW_AMOUNT
    fields: dict[str, Any] = field(default_factory=dict)


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
SWAPPED = shows("paid", REVIEW, unregistered=PAID, review=EventType.REVIEW_CURRENCY, currency="USD")
SANDBOX = shows("paid", REVIEW, review=EventType.REVIEW_LIVEMODE, sandbox=True)
LEFT_OPEN = shows("ready", EXPIRED)

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
        said = (review if status == REVIEW else status, self.comparison if status == PAID else "", state.cancelled)
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
        rows = list(Event.objects.filter(order__merchant_uid=self.order).order_by("sequence"))
        events = [json.loads(bytes(row.body)) for row in rows]
        check_envelopes(rows, events)
        check_chain(events)
        check_claim(events)
        check_safety(events)
        for name in self.newest:
            payment = Payment.objects.get(imp_uid=self.imp_uid(name))
            assert payment.status == self.called[name]
            mine = [event for event in events if event["data"]["payment"]["id"] == encode("pay", payment.id)]
            check_news(mine, self.news.get(name, []))

    def status(self) -> str:
        return Order.objects.get(merchant_uid=self.order).status


def check_envelopes(rows: list[Event], events: list[dict[str, Any]]) -> None:
    """Every body has the documented fields and agrees with its row; the order's numbers have no gap."""
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    for row, event in zip(rows, events, strict=True):
        assert ",".join(event) == ENVELOPE
        assert list(event["data"]) == ["order", "payment"]
        assert list(event["data"]["order"]) == ["id", "status", "flags", "expected"]
        assert ",".join(event["data"]["payment"]) == PAYMENT
        assert (event["id"], event["type"], event["sequence"]) == (encode("evt", row.id), row.type, row.sequence)
        amount = event["data"]["payment"]["amount"]
        assert amount is None or amount["captured"] - amount["cancelled"] == amount["balance"]


def check_chain(events: list[dict[str, Any]]) -> None:
    """Versions count each payment's events, `previous` repeats the one before, corrections name an earlier one."""
    said: dict[str, dict[str, Any]] = {}
    types: dict[str, str] = {}
    earlier: list[str] = []
    for event in events:
        payment = event["data"]["payment"]
        before = said.get(payment["id"])
        assert payment["version"] == (before["version"] + 1 if before else 1)
        assert event["previous"] == before
        assert event["supersedes"] is None or event["supersedes"] in earlier
        assert event["late"] <= (event["supersedes"] is not None)
        if payment["status"] == AWAITING:
            was_paid = types.get(payment["id"]) in (EventType.PAID, EventType.DEPOSIT_REVERSED)
            assert (event["type"] == EventType.DEPOSIT_REVERSED) == was_paid
        if event["type"] == EventType.PAID and before:
            assert event["late"] == (before["status"] in (FAILED, EXPIRED))
        cancelled = payment["amount"]["cancelled"] if payment["amount"] else 0
        said[payment["id"]] = {"status": payment["status"], "version": payment["version"], "cancelled": cancelled}
        types[payment["id"]] = event["type"]
        earlier.append(event["id"])


def check_claim(events: list[dict[str, Any]]) -> None:
    """A claim comes first if at all; the first verified event of its payment, or of any if it has none, corrects it."""
    if not events or events[0]["data"]["payment"]["verification"]["result"] != "claimed":
        return
    claim, *verified = events
    claimed = claim["data"]["payment"]["id"]
    firsts = {event["data"]["payment"]["id"]: event for event in reversed(verified)}
    for event in [firsts[claimed]] if claimed in firsts else firsts.values():
        assert event["supersedes"] == claim["id"]
    assert all(event["data"]["payment"]["verification"]["result"] != "claimed" for event in verified)


def check_safety(events: list[dict[str, Any]]) -> None:
    """Nothing fulfils on a mismatch, from a sandbox, or beside another payment that holds money."""
    statuses: dict[str, str] = {}
    for event in events:
        payment, expected = event["data"]["payment"], event["data"]["order"]["expected"]
        statuses[payment["id"]] = payment["status"]
        assert (event["type"] == EventType.PAID) == (payment["status"] == PAID)
        assert sum(status in HOLDING for status in statuses.values()) <= 1
        if event["type"] == EventType.PAID:
            assert payment["verification"]["result"] == ("matched" if expected else "not_checked")
            assert payment["verification"]["mismatches"] == []
            assert not payment["provider"]["sandbox"]
            paid = (payment["amount"]["total"], payment["amount"]["currency"])
            assert expected is None or paid == (expected["amount"], expected["currency"])


def check_news(events: list[dict[str, Any]], news: list[tuple[str, str, int]]) -> None:
    """Each change was told, in order; none twice, but that a first comparison may tell the same status again."""
    events = [event for event in events if event["data"]["payment"]["verification"]["result"] != "claimed"]
    payments = [event["data"]["payment"] for event in events]
    told = []
    for event, one in zip(events, payments, strict=True):
        name = event["type"] if one["status"] == REVIEW else one["status"]
        told.append((name, one["verification"]["result"] if name == PAID else "", one["amount"]["cancelled"]))
    assert [said for said, _ in groupby(told)] == news
    assert [said for said in told if said[0] == PAID] == [said for said in news if said[0] == PAID]
    whole = [(*said, one["verification"]["result"]) for said, one in zip(told, payments, strict=True)]
    assert len(list(groupby(whole))) == len(whole)


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
