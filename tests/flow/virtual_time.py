"""A merchant in virtual time: the real database, and a clock, a worker and a PortOne that only a story moves.

The worker's own steps are used (take, prepare, conclude); between them the story may hold an answer back while other
things happen, bring it twice, or let the worker die. A model of a few lines, which knows only the newest answer of
each payment, says what must come of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import count
from typing import Final

from django.conf import settings
from django.db import connection
from django.db.models import Min

from results.ask import Answer, Answered, Round
from results.core.budget import PORTONE_ADDRESSES
from results.core.claim import Claim, Outcome
from results.core.snapshot import Snapshot
from results.core.words import Cause, EventType, PaymentStatus, Verified
from results.duties import KINDS, LEASE, TAKE_SQL, Taken
from results.models import Event, Verification
from results.publish import publish_snapshot, register_order
from results.receive import Arrival, Kind, record
from results.verify import conclude, prepare
from tenants.models import Duty
from tenants.routing import Route
from tests.flow.timelines import AWAITING, HOLDING, PAID, PARTIAL, PENDING, REVIEW, WON, State, Timelines
from tests.flow.told import say
from tests.flow.virtual_portone import Shown, VirtualPortOne, status_then

BEGINNING = datetime(2027, 1, 1, tzinfo=UTC)
TICK, DAY = timedelta(milliseconds=1), timedelta(days=1)
ACCOUNT_LIVES, REST = timedelta(hours=3), timedelta(hours=25)
MADE_UP: Final = "imp_999999999999"
NUMBERS = count(1)
MONEY = (PAID, PARTIAL, AWAITING)
ASKING = (Duty.Kind.VOUCHED, Duty.Kind.VERIFY, Duty.Kind.ASK)


class How(Enum):
    """What becomes of a worker's turn."""

    AT_ONCE = "asked and concluded"
    HELD = "asked, and its answers held back"
    SLOW = "taken, and asked about later"
    DIES = "taken, and the worker dies"


class Ending(Enum):
    """Who tells of a payment's last change, if PortOne's webhook was lost."""

    WEBHOOK = "a webhook that comes late"
    LANDING = "a landing that names the order alone"
    SWEEP = "nobody"


@dataclass(frozen=True, slots=True)
class Change:
    """A payment's next state; the API shows it `lag` later. PortOne's own webhook goes out now, or is lost."""

    payment: str
    lag: timedelta
    heard: bool


@dataclass(frozen=True, slots=True)
class Arrive:
    """Something comes in, true or not; of this payment, of a made-up one or of none, naming this order or another."""

    kind: Kind
    payment: str | None
    says: str
    for_another: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes, and no worker works."""

    time: timedelta


@dataclass(frozen=True, slots=True)
class Due:
    """Time passes until the next duty is due, an hour at most."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The worker takes what is due."""

    how: How


@dataclass(frozen=True, slots=True)
class Bring:
    """An answer that was held back is concluded; `again` for one that will come a second time."""

    which: int
    again: bool


@dataclass(frozen=True, slots=True)
class Fail:
    """PortOne does not answer, refuses the keys, or says of everything that it knows no such payment."""

    answer: Answer
    time: timedelta


@dataclass(frozen=True, slots=True)
class Register:
    """The merchant's server registers the order, for the first time or again."""


Step = Change | Arrive | Wait | Due | Turn | Bring | Fail | Register


@dataclass(slots=True)
class Model:
    """What the newest answers about one order's payments mean."""

    strict: bool
    registered: bool = False
    newest: dict[str, tuple[datetime, State]] = field(default_factory=dict)
    called: dict[str, PaymentStatus] = field(default_factory=dict)
    news: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)

    def hears(self, name: str, state: State, *, asked_at: datetime) -> None:
        if name not in self.newest or asked_at > self.newest[name][0]:
            self.newest[name] = asked_at, state
            self.concludes(name)

    def registers(self) -> None:
        self.registered = True
        for name in self.newest:
            self.concludes(name)

    def concludes(self, name: str) -> None:
        """Name the state: by itself, or review where no order is known that must be, or beside another that holds."""
        _, state = self.newest[name]
        status, review = state.status if self.registered else state.unregistered, state.review
        beside = [other for payment, other in self.called.items() if payment != name]
        if self.strict and not self.registered and status in MONEY:
            status, review = REVIEW, EventType.REVIEW_UNKNOWN_ORDER
        elif status in HOLDING and any(other in HOLDING for other in beside):
            status, review = REVIEW, EventType.REVIEW_DUPLICATE
        self.called[name] = status
        verified = Verified.MATCHED if self.registered else Verified.NOT_CHECKED
        said = say(status, review, verified, state.cancelled, moved=state.moved)
        news = self.news.setdefault(name, [])
        if status != PENDING and (not news or news[-1] != said):
            news.append(said)


@dataclass(slots=True)
class World:
    """One order in virtual time, and another one that nobody pays."""

    route: Route
    timelines: Timelines
    number: int = field(default_factory=lambda: next(NUMBERS))
    at: datetime = BEGINNING
    portone: VirtualPortOne = field(default_factory=VirtualPortOne)
    model: Model = field(init=False)
    rests_until: datetime = BEGINNING
    held: list[Round | list[Answered]] = field(default_factory=list)
    heard: dict[str, bool] = field(default_factory=dict)
    failed_landings: dict[str, datetime] = field(default_factory=dict)
    swept_at: list[datetime] = field(default_factory=list)
    arrivals: int = 0
    questions: int = 0

    def __post_init__(self) -> None:
        self.at = self.began
        self.model = Model(self.route.strict)
        self.portone.livemode = self.route.livemode
        register_order(self.route, merchant_uid=self.robbed, money=WON, at=self.at)

    @property
    def began(self) -> datetime:
        return BEGINNING + self.number * 9 * DAY

    @property
    def order(self) -> str:
        return f"virtual-{self.number}"

    @property
    def robbed(self) -> str:
        """Another order of the same price: registered, never paid, and claimed to be by strangers."""
        return f"robbed-{self.number}"

    def imp_uid(self, name: str | None) -> str | None:
        if name is None or name == MADE_UP:
            return f"imp_9{self.number:09d}" if name else None
        return f"imp_{self.number:08d}{sorted(self.timelines).index(name):04d}"

    def name(self, imp_uid: str) -> str:
        return sorted(self.timelines)[int(imp_uid[-4:])]

    def play(self, steps: list[Step]) -> None:
        for step in steps:
            self.at += TICK
            self.take_step(step)

    def take_step(self, step: Step) -> None:
        match step:
            case Change(payment, lag, heard):
                self.change(payment, lag, heard=heard)
            case Arrive():
                self.arrive(step)
            case Wait(time):
                self.at += time
            case Due():
                due = self.next_due()
                self.at = max(self.at, min(due or self.at, self.at + timedelta(hours=1)))
            case Turn(how):
                self.turn(how)
            case Bring(which, again):
                self.bring(which, again=again)
            case Fail(answer, time):
                self.portone.fails_with, self.portone.fails_until = answer, self.at + time
            case Register():
                register_order(self.route, merchant_uid=self.order, money=WON, at=self.at)
                self.model.registers()

    def change(self, name: str, lag: timedelta, *, heard: bool) -> None:
        imp_uid = self.imp_uid(name) or ""
        shown = self.portone.payments.setdefault(imp_uid, Shown(imp_uid, self.order, self.at, self.at + ACCOUNT_LIVES))
        state = self.timelines[name][len(shown.seen)]
        shown.changes(state, visible_from=self.at + lag)
        self.heard[name] = False
        if heard:
            self.notify(name)

    def notify(self, name: str) -> None:
        """Let PortOne's own webhook of a payment's state come in; a failure and an opened window have none."""
        shown = self.portone.payments[self.imp_uid(name) or ""]
        state = shown.seen[-1][1]
        if state.says == "failed" or (state.says == "ready" and "number" not in state.fields):
            return
        cancelled = f"c-{state.cancelled}" if state.cancelled else None
        claim = Claim(
            shown.imp_uid, self.order, status="cancelled" if cancelled else state.says, cancellation_id=cancelled
        )
        self.record(Kind.WEBHOOK, claim, address=min(PORTONE_ADDRESSES))
        # The second `ready` of an account says nothing that the first had not said: a sweep finds the reversal.
        self.heard[name] = state.says != "ready" or all(one.says != "paid" for _, one in shown.seen)

    def arrive(self, said: Arrive) -> None:
        order, imp_uid = self.robbed if said.for_another else self.order, self.imp_uid(said.payment)
        if said.kind == Kind.LANDING:
            if said.says == Outcome.FAILED:
                self.failed_landings.setdefault(order, self.at)
            self.record(said.kind, Claim(imp_uid, order, Outcome(said.says)))
        else:
            cancelled = "c-10000" if said.says == "cancelled" else None
            self.record(said.kind, Claim(imp_uid, order, status=said.says, cancellation_id=cancelled))

    def record(self, kind: Kind, claim: Claim, *, address: str | None = None) -> None:
        self.arrivals += 1
        assert record(self.route, Arrival(kind, claim, b"", address), at=self.at)

    def next_due(self) -> datetime | None:
        due: datetime | None = Duty.objects.filter(kind__in=ASKING).aggregate(Min("due_at"))["due_at__min"]
        return max(due, self.rests_until) if due else None

    def take(self) -> list[Taken]:
        limits = dict.fromkeys(KINDS, 0) | {str(kind): 200 for kind in ASKING}
        with connection.cursor() as cursor:
            nothing = {name: [] for name in ("full", "full_again", "full_merchants", "held")}
            cursor.execute(TAKE_SQL, {"at": self.at, "lease_ends": self.at + LEASE} | nothing | limits)
            return [Taken(*row) for row in cursor.fetchall()]

    def turn(self, how: How) -> None:
        taken = self.take() if self.at >= self.rests_until else []
        round_ = prepare(self.route, taken, at=self.at) if taken else None
        if isinstance(round_, datetime):
            self.rests_until = round_
        if not isinstance(round_, Round) or how == How.DIES:
            return
        match how:
            case How.AT_ONCE:
                self.conclude(self.ask(round_))
            case How.HELD:
                self.held.append(self.ask(round_))
            case How.SLOW:
                self.held.append(round_)

    def ask(self, round_: Round) -> list[Answered]:
        self.questions += len(round_.questions)
        for question in round_.questions:
            named = {reason.claim.merchant_uid for reason in question.reasons if reason.claim}
            assert not question.last_look or self.model.registered or self.robbed in named, "nobody registered it"
        self.at += TICK
        return self.portone.answers(round_.questions, at=self.at)

    def bring(self, which: int, *, again: bool) -> None:
        if self.held:
            held = self.held.pop(which % len(self.held))
            answers = held if isinstance(held, list) else self.ask(held)
            self.conclude(answers)
            if again:
                self.held.append(answers)

    def conclude(self, answers: list[Answered]) -> None:
        self.at += TICK
        is_open = all(status == PENDING for status in self.model.called.values())
        conclude(self.route, answers, (), at=self.at)
        self.check_claims(answers, is_open=is_open)
        for answered in answers:
            for found in reversed(answered.found):
                if not answered.question.last_look or found.snapshot.status != "ready":
                    self.show(found.snapshot)

    def show(self, snapshot: Snapshot) -> None:
        """Let the model hear an answer."""
        shown = self.portone.payments[snapshot.imp_uid]
        state = shown.state(snapshot.asked_at)
        assert state is not None
        state = status_then(state, shown, asked_at=snapshot.asked_at, grace=settings.DEPOSIT_GRACE)
        self.model.hears(self.name(snapshot.imp_uid), state, asked_at=snapshot.asked_at)

    def check_claims(self, answers: list[Answered], *, is_open: bool) -> None:
        """A claim is told of an open, registered order, some time after the landing, upon an answer about its order."""
        asked = {one.question.merchant_uid for one in answers if one.kind == Verification.Question.FIND_ALL}
        told = Event.objects.filter(order__merchant_uid__in={self.order, self.robbed}, created_at=self.at)
        data = [json.loads(bytes(event.body))["data"] for event in told]
        for order in [one["order"]["id"] for one in data if one["payment"]["verification"]["result"] == "claimed"]:
            assert order in asked, "a claim was told without asking about its order"
            assert self.at >= self.failed_landings[order] + settings.CLAIM_DELAY, "a claim was told early"
            assert order == self.robbed or (is_open and self.model.registered), "a claim was told of an order not open"

    def come_to_rest(self, *, endings: Mapping[str, Ending]) -> None:
        """Let everything be over: PortOne answers, and of each last change somebody told, or a sweep finds it."""
        self.portone.fails_until = None
        unheard = [name for name, heard in self.heard.items() if not heard]
        for name in unheard:
            if endings[name] == Ending.WEBHOOK:
                self.at += TICK
                self.notify(name)
        visible = max((since for one in self.portone.payments.values() for since, _ in one.seen), default=self.at)
        landings = [name for name in unheard if endings[name] == Ending.LANDING]
        if landings:  # at once, so that it may fall between a question and its answer
            self.at = max(self.at, visible) + TICK
            self.arrive(Arrive(Kind.LANDING, None, Outcome.SUCCEEDED))
            self.bring(0, again=True)
        self.run_until(visible)
        for name in unheard:
            sandbox = bool(self.timelines[name][-1].fields.get("sandbox"))
            if not self.heard[name] and (endings[name] != Ending.LANDING or sandbox):
                self.sweep(name)
        while self.held:
            self.bring(0, again=False)
        self.run_until(self.at + REST)

    def sweep(self, name: str) -> None:
        """See a payment in PortOne's list, which holds no test payments."""
        self.at += TICK
        snapshot = self.portone.payments[self.imp_uid(name) or ""].look(self.at)
        if snapshot and snapshot.sandbox != self.route.livemode:
            self.swept_at.append(self.at)
            publish_snapshot(self.route, snapshot, cause=Cause.RECONCILIATION, named_by_claim=False, at=self.at)
            self.show(snapshot)

    def run_until(self, moment: datetime) -> None:
        """Let a worker do what comes due until then."""
        while (due := self.next_due()) and due <= moment:
            self.at = max(self.at, due) + TICK
            self.turn(How.AT_ONCE)
            assert self.questions < self.bound, "PortOne is asked without end"
        self.at = max(self.at, moment)

    @property
    def bound(self) -> int:
        """A generous limit of questions: some for each arrival, and a schedule with hourly probes for each payment."""
        hours = (self.at - self.began) // timedelta(hours=1)
        return 12 * self.arrivals + len(self.timelines) * (60 + 2 * hours)
