"""How far PortOne's list is read, and which of its rows are news."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.core.snapshot import Cancellation, Snapshot, VirtualAccount
from results.core.sweep import (
    MARGIN,
    Reach,
    Scope,
    due_reach,
    fingerprint,
    is_news,
    is_old_news,
    is_out_of_reach,
    is_paid_anew,
    moved_at,
    next_sweep,
)

AT = datetime(2026, 11, 20, 5, 12, 44, tzinfo=UTC)  # a Friday
CONNECTED = AT - timedelta(days=30)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LIVE = Scope(livemode=True, since=CONNECTED)
ACCOUNT = VirtualAccount("088", "bank", "562-1", None, AT - 3 * HOUR, AT + DAY)


def row(imp_uid: str = "imp_1", **fields: Any) -> Snapshot:
    """Return a payment of one hour ago, seen now."""
    plain: dict[str, Any] = {
        "imp_uid": imp_uid,
        "merchant_uid": "order-1",
        "status": "paid",
        "amount": Decimal(64900),
        "cancel_amount": Decimal(0),
        "currency": "KRW",
        "sandbox": False,
        "asked_at": AT,
        "started_at": AT - HOUR - MINUTE,
        "paid_at": AT - HOUR,
    }
    return Snapshot(**plain | fields)


def cancelled(amount: int, *, ago: timedelta, id_: str = "c1") -> Cancellation:
    return Cancellation(id_, Decimal(amount), None, None, AT - ago, None)


CHANGES: dict[str, dict[str, Any]] = {
    "status": {"status": "failed"},
    "amount": {"amount": Decimal(64901)},
    "cancelled amount": {"cancel_amount": Decimal(1)},
    "currency": {"currency": "USD"},
    "cancellation": {"cancellations": (cancelled(1, ago=HOUR),)},
    "failure": {"fail_reason": "limit"},
    "account": {"virtual_account": ACCOUNT},
    "deadline": {"virtual_account": replace(ACCOUNT, expires_at=AT + HOUR)},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_row_that_says_something_else_is_news(change: dict[str, Any]) -> None:
    """Status, amounts, currency, cancellations, failure and virtual account make two answers different."""
    known = row()

    assert is_news(row(**change), known, LIVE)
    assert not is_news(row(**change), row(**change, asked_at=AT - DAY), LIVE)


def test_a_new_deadline_is_news() -> None:
    """An account whose deadline was moved is another answer."""
    known = row(virtual_account=ACCOUNT)

    assert fingerprint(known) != fingerprint(row(virtual_account=replace(ACCOUNT, expires_at=AT + HOUR)))


def test_what_is_for_people_is_no_news() -> None:
    """A receipt that came later, a card's name or an amount written with decimals changes nothing."""
    assert not is_news(row(receipt_url="https://receipt.example.com", amount=Decimal("64900.00")), row(), LIVE)


@pytest.mark.parametrize(
    ("fields", "moved"),
    [
        ({"paid_at": None, "started_at": None}, None),
        ({}, AT - HOUR),
        ({"cancelled_at": AT - MINUTE}, AT - MINUTE),
        ({"failed_at": AT - SECOND}, AT - SECOND),
        ({"virtual_account": replace(ACCOUNT, issued_at=AT - 2 * MINUTE)}, AT - 2 * MINUTE),
        ({"cancellations": (cancelled(1, ago=30 * MINUTE),)}, AT - 30 * MINUTE),
    ],
)
def test_a_row_moved_when_anything_happened_to_it(fields: dict[str, Any], moved: datetime | None) -> None:
    """The newest moment that a row names counts, whatever happened then."""
    assert moved_at(row(**fields)) == moved


@pytest.mark.parametrize(
    ("fields", "scope", "is_known", "concerns"),
    [
        ({}, LIVE, False, True),
        ({"sandbox": True}, LIVE, True, False),
        ({"sandbox": True}, replace(LIVE, livemode=False), False, True),
        ({}, replace(LIVE, livemode=False), False, False),
        ({"usage": "issue"}, LIVE, False, False),
        ({}, replace(LIVE, since=AT), False, False),
        ({}, replace(LIVE, since=AT), True, True),
        ({}, replace(LIVE, since=AT - HOUR + SECOND / 2), False, True),
        ({"started_at": None, "paid_at": None}, replace(LIVE, since=AT), False, True),
        ({}, replace(LIVE, shared=True), False, False),
        ({}, replace(LIVE, shared=True), True, True),
        ({}, replace(LIVE, neighbours=frozenset({"imp_1"})), False, False),
        ({}, replace(LIVE, shared=True, registered=frozenset({"order-1"})), False, True),
        ({}, replace(LIVE, registered=frozenset()), False, True),
    ],
    ids=[
        "ours",
        "test payment",
        "test payment in test mode",
        "live payment in test mode",
        "billing key",
        "older than us",
        "older than us but known",
        "of the second in which we came",
        "undated",
        "of a neighbour",
        "of a neighbour's account but known",
        "taken by a neighbour",
        "registered here",
        "account not shared",
    ],
)
def test_whose_row_is_it(fields: dict[str, Any], scope: Scope, is_known: bool, concerns: bool) -> None:
    """Test payments, billing keys, a neighbour's orders and what is older than the connection are not ours to tell."""
    assert scope.concerns(row(**fields), row() if is_known else None) is concerns


def known_as(*rows: Snapshot, ago: timedelta = DAY) -> dict[str, Snapshot]:
    return {one.imp_uid: replace(one, asked_at=AT - ago) for one in rows}


def test_a_page_of_what_was_known_before_is_old_news() -> None:
    """A page whose rows are all known, old, and seen so before the watermark ends a sweep."""
    rows = [row("imp_1"), row("imp_2")]

    assert is_old_news(rows, known_as(*rows), LIVE, watermark=AT - 5 * MINUTE)


@pytest.mark.parametrize(
    "newest",
    [
        row("imp_1", status="cancelled"),
        row("imp_3"),
        row("imp_1", paid_at=AT - 5 * MINUTE),
        row("imp_1", paid_at=AT - 5 * MINUTE - MARGIN + SECOND),
    ],
    ids=["changed", "unknown", "moved since the watermark", "moved just before it"],
)
def test_one_row_that_is_new_keeps_a_sweep_going(newest: Snapshot) -> None:
    """One row that is unknown, changed, or moved around the watermark is enough to read the next page."""
    old = [row("imp_1"), row("imp_2")]
    known = known_as(*old) if moved_at(newest) == moved_at(old[0]) else known_as(newest, old[1])
    known.pop("imp_3", None)

    assert not is_old_news([newest, old[1]], known, LIVE, watermark=AT - 5 * MINUTE)


def test_known_rows_alone_prove_nothing() -> None:
    """Rows that were all seen only after the watermark may hide an older change behind them."""
    rows = [row("imp_1"), row("imp_2")]

    assert not is_old_news(rows, known_as(*rows, ago=MINUTE), LIVE, watermark=AT - 5 * MINUTE)
    assert is_old_news(rows, known_as(rows[0], ago=MINUTE) | known_as(rows[1]), LIVE, watermark=AT - 5 * MINUTE)


def test_a_page_of_what_is_not_ours_is_old_news_by_its_times() -> None:
    """History from before the merchant connected ends the first sweep."""
    history = [row("imp_1", started_at=CONNECTED - DAY, paid_at=CONNECTED - HOUR)]

    assert is_old_news(history, {}, LIVE, watermark=CONNECTED)
    assert not is_old_news([row("imp_2", usage="issue")], {}, LIVE, watermark=AT - HOUR - 1 * SECOND)


def test_a_page_without_readable_rows_is_no_end() -> None:
    """Rows that cannot be read say nothing of what lies behind them."""
    assert not is_old_news([], {}, LIVE, watermark=AT)
    assert not is_out_of_reach([], Reach.DAYS, since=CONNECTED, began_at=AT)


@pytest.mark.parametrize(
    ("reach", "age", "since", "is_out"),
    [
        (Reach.DAYS, 2 * DAY, CONNECTED, False),
        (Reach.DAYS, 4 * DAY, CONNECTED, True),
        (Reach.QUARTER, 4 * DAY, CONNECTED, False),
        (Reach.QUARTER, 91 * DAY, CONNECTED - 90 * DAY, True),
        (Reach.QUARTER, 31 * DAY, CONNECTED, True),
        (Reach.RECENT, 400 * DAY, CONNECTED, False),
    ],
)
def test_far_sweeps_end_at_their_reach(reach: Reach, age: timedelta, since: datetime, is_out: bool) -> None:
    """Known pages do not end a nightly or weekly sweep; a page older than its reach, or than the merchant, does."""
    rows = [row(started_at=AT - age, paid_at=AT - age)]

    assert is_out_of_reach(rows, reach, since=since, began_at=AT) is is_out
    assert not is_out_of_reach([*rows, row()], reach, since=since, began_at=AT)
    assert not is_out_of_reach([row(started_at=None, paid_at=None)], reach, since=since, began_at=AT)


NIGHT = datetime(2026, 11, 19, 18, tzinfo=UTC)
SUNDAY = datetime(2026, 11, 15, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "quarter", "since", "at", "reach"),
    [
        (None, None, AT, AT, Reach.RECENT),
        (None, None, CONNECTED, AT, Reach.QUARTER),
        (None, None, NIGHT - HOUR, AT, Reach.DAYS),
        (NIGHT + HOUR, SUNDAY + HOUR, CONNECTED, AT, Reach.RECENT),
        (NIGHT, SUNDAY, CONNECTED, AT, Reach.RECENT),
        (NIGHT - SECOND, SUNDAY, CONNECTED, AT, Reach.DAYS),
        (NIGHT - SECOND, SUNDAY, CONNECTED, NIGHT - SECOND, Reach.RECENT),
        (NIGHT, SUNDAY - SECOND, CONNECTED, AT, Reach.QUARTER),
        (NIGHT - 3 * DAY, NIGHT + HOUR, CONNECTED, AT, Reach.RECENT),
        (SUNDAY - DAY, SUNDAY - 7 * DAY, CONNECTED, SUNDAY, Reach.QUARTER),
    ],
)
def test_every_night_and_every_week_reach_further(
    days: datetime | None, quarter: datetime | None, since: datetime, at: datetime, reach: Reach
) -> None:
    """The first sweep of a night reads three days, the first after Sunday's night ninety, which holds the three."""
    assert due_reach(days_read_at=days, quarter_read_at=quarter, since=since, at=at) is reach


@pytest.mark.parametrize(
    ("began", "jitter", "due"),
    [(AT, 0, AT + 5 * MINUTE), (AT, 1, AT + 5.5 * MINUTE), (AT, -1, AT + 4.5 * MINUTE), (AT - HOUR, 0, AT)],
)
def test_sweeps_begin_one_interval_apart(began: datetime, jitter: float, due: datetime) -> None:
    """The next begins an interval after this one began, or at once when this one took longer."""
    assert next_sweep(began_at=began, interval=5 * MINUTE, jitter=jitter, at=AT) == due


@pytest.mark.parametrize(
    ("found", "known", "is_anew"),
    [
        (row(), None, True),
        (row(), row(status="ready"), True),
        (row(), row(status="failed"), True),
        (row(), row(), False),
        (row(status="cancelled"), None, False),
        (row(cancel_amount=Decimal(1)), None, False),
        (row(status="failed"), None, False),
    ],
)
def test_only_a_payment_that_is_paid_can_be_unheard(found: Snapshot, known: Snapshot | None, is_anew: bool) -> None:
    """What a sweep finds cancelled, or paid as before, is no payment of which news was missed."""
    assert is_paid_anew(found, known) is is_anew


@dataclass
class World:
    """PortOne's list and what a merchant knows of it, with a clock that ticks at each step."""

    page_size: int
    at: datetime = AT
    shown: dict[str, Snapshot] = field(default_factory=dict)
    updated: dict[str, datetime] = field(default_factory=dict)
    known: dict[str, Snapshot] = field(default_factory=dict)
    watermark: datetime = AT
    steps: int = 0

    def __post_init__(self) -> None:
        """Three payments are long known."""
        for number in (1, 2, 3):
            self.change(number, is_timed=False, is_heard=True)
        self.tick(300)
        self.watermark = self.at
        self.tick(300)

    def change(self, number: int, *, is_timed: bool, is_heard: bool) -> None:
        """Something happens to a payment: with a time or without one, and with an arrival or without."""
        imp_uid = f"imp_{number}"
        self.tick()
        self.steps += 1
        base = self.shown.get(imp_uid) or row(imp_uid, status="ready", started_at=self.at, paid_at=None)
        moved = {"failed_at": self.at.replace(microsecond=0)} if is_timed else {}
        self.shown[imp_uid] = replace(base, fail_reason=str(self.steps), **moved)
        self.updated[imp_uid] = self.at
        if is_heard:
            self.ask(number)

    def ask(self, number: int) -> None:
        imp_uid = f"imp_{number}"
        if imp_uid in self.shown:
            self.known[imp_uid] = replace(self.shown[imp_uid], asked_at=self.at)

    def tick(self, seconds: float = 20.5) -> None:
        self.at += timedelta(seconds=seconds)

    def sweep(self, meanwhile: Callable[[], None]) -> None:
        """Read page by page as reconcile.py does; `meanwhile` happens after each page."""
        began, page = self.at, 0
        scope = Scope(livemode=True, since=AT - DAY)
        while True:
            listed = sorted(self.shown.values(), key=lambda one: self.updated[one.imp_uid], reverse=True)
            rows = [replace(one, asked_at=self.at) for one in listed[page * self.page_size :][: self.page_size]]
            ends = not rows or is_old_news(rows, self.known, scope, watermark=self.watermark)
            self.known |= {one.imp_uid: one for one in rows if is_news(one, self.known.get(one.imp_uid), scope)}
            if ends:
                break
            page += 1
            meanwhile()
        self.watermark = began

    def missed(self) -> list[str]:
        """Return what changed before the watermark and is not known."""
        return [
            imp_uid
            for imp_uid, shown in self.shown.items()
            if self.updated[imp_uid] < self.watermark
            and (imp_uid not in self.known or fingerprint(self.known[imp_uid]) != fingerprint(shown))
        ]


NUMBERS = st.integers(1, 5)
CHANGES_MEANWHILE = st.lists(st.tuples(NUMBERS, st.booleans(), st.booleans()), max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("change"), NUMBERS, st.booleans(), st.booleans()),
    st.tuples(st.just("ask"), NUMBERS),
    st.tuples(st.just("tick"), st.sampled_from([1, 30, 300])),
    st.tuples(st.just("sweep"), CHANGES_MEANWHILE),
)


@settings(max_examples=300)
@given(page_size=st.integers(1, 3), steps=st.lists(STEPS, max_size=20))
def test_no_change_older_than_the_watermark_is_ever_missed(page_size: int, steps: list[Any]) -> None:
    """Whatever changes between and during sweeps, in any order, heard of or not: what is older is known."""
    world = World(page_size)
    for kind, *values in steps:
        match kind:
            case "change":
                world.change(values[0], is_timed=values[1], is_heard=values[2])
            case "ask":
                world.ask(values[0])
            case "tick":
                world.tick(values[0])
            case "sweep":
                changes = list(values[0])

                def meanwhile(changes: list[tuple[int, bool, bool]] = changes) -> None:
                    if changes:
                        number, is_timed, is_heard = changes.pop()
                        world.change(number, is_timed=is_timed, is_heard=is_heard)

                world.sweep(meanwhile)
        assert world.missed() == []
