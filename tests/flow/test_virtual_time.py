"""Questions, answers, arrivals and timers in any order: whatever happens, it comes to rest in the truth.

The clock moves only when a story says so. Between PortOne's changes come landings and webhooks, true, stale, forged and
for other orders; the worker's questions are answered at once, late, twice or never; PortOne lags behind, is silent,
refuses the keys or knows nothing. At last each change was told of by somebody or found by a sweep, and the clock runs
until nothing is owed.

Each of these rules was taken out once, and some story here failed: older answers are dropped; an arrival is settled by
a question sent after it or by a state that says its own hint, for a cancellation its id; what a webhook tells ahead of
the API is asked for until it shows, an unknown payment four times and no more; silence settles nothing; a claim waits,
needs an answer about its order and an open one; amount, currency, livemode, duplicates and the strict policy; a full
cancel keeps its name; `ready` is no failure, ends with the window, or with the account when it is asked again; a
reversed deposit and a late approval count; an order is asked about without a payment's id and all that is found counts,
for its own order alone; same news is told once and mere waiting never; what was a duplicate is asked about again; the
waits grow. That questions within two seconds are shared, and that an answer which is known already spares one, costs
only calls: tests/core/test_freshness.py keeps those.

HYPOTHESIS_EXAMPLES sets how many orders of events each story is played in, HYPOTHESIS_SHRINK=1 makes failures small.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db.models import Q
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from results.ask import Answer
from results.core.claim import Outcome
from results.core.ids import encode
from results.core.words import EventType, OrderStatus, PaymentStatus
from results.models import Notification, Order, Payment, Verification
from results.portone import seal_credential
from results.receive import Kind
from tenants.fields import new_id
from tenants.models import Credential, Duty, Merchant, RouteKey
from tenants.routing import Route, find_route, inside
from tests.flow.timelines import (
    APPROVED,
    CANCELLED,
    CHEAP,
    CHEAP_DEPOSITED,
    CHEAP_ISSUED,
    CHEAP_PARTLY,
    CHEAP_REFUNDED,
    DEPOSITED,
    EXPIRED,
    FAILED,
    FURTHER,
    ISSUED,
    OPENED,
    PAID,
    PARTIAL,
    PARTLY,
    REFUNDED,
    REFUSED,
    REVIEW,
    SANDBOX,
    SANDBOX_OPENED,
    SWAPPED,
    State,
    Timelines,
)
from tests.flow.told import check_all, check_news, read_told
from tests.flow.virtual_time import (
    ASKING,
    MADE_UP,
    Arrive,
    Bring,
    Change,
    Due,
    Ending,
    Fail,
    How,
    Register,
    Step,
    Turn,
    Wait,
    World,
)

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "5"))
# To make a failure small can take minutes against a database: only where somebody asks for it.
PHASES = [Phase.generate, *([Phase.shrink] if "HYPOTHESIS_SHRINK" in os.environ else [])]

slow = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=PHASES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True, slots=True)
class Story:
    """What happens at PortOne, and how it ends for the order and for each payment."""

    timelines: Timelines
    order: OrderStatus
    payments: tuple[PaymentStatus, ...]


def one(status: PaymentStatus, order: OrderStatus, *states: object) -> Story:
    return Story({"one": states}, order, (status,))  # type: ignore[dict-item]


FIRST_REFUNDED: Timelines = {"one": (OPENED, APPROVED, REFUNDED), "two": (OPENED, APPROVED)}
SECOND_REFUNDED: Timelines = {"one": (OPENED, APPROVED), "two": (OPENED, APPROVED, REFUNDED)}
SECOND_TRY: Timelines = {"one": (OPENED, REFUSED), "two": (OPENED, APPROVED)}
STORIES = {
    "card paid": one(PAID, OrderStatus.PAID, OPENED, APPROVED),
    "late approval": one(PAID, OrderStatus.PAID, OPENED, REFUSED, APPROVED),
    "declined": one(FAILED, OrderStatus.FAILED, OPENED, REFUSED),
    "window left open": one(EXPIRED, OrderStatus.EXPIRED, OPENED),
    "partly cancelled": one(PARTIAL, OrderStatus.PARTIALLY_CANCELLED, OPENED, APPROVED, PARTLY, FURTHER),
    "partial to full cancel": one(CANCELLED, OrderStatus.CANCELLED, OPENED, APPROVED, PARTLY, FURTHER, REFUNDED),
    "deposit": one(PAID, OrderStatus.PAID, OPENED, ISSUED, DEPOSITED),
    "no deposit": one(EXPIRED, OrderStatus.EXPIRED, OPENED, ISSUED),
    "deposit reversed": one(EXPIRED, OrderStatus.EXPIRED, OPENED, ISSUED, DEPOSITED, ISSUED),
    "deposited again": one(PAID, OrderStatus.PAID, ISSUED, DEPOSITED, ISSUED, DEPOSITED),
    "forged amount": one(REVIEW, OrderStatus.REGISTERED, OPENED, CHEAP),
    "forged amount then refunded": one(CANCELLED, OrderStatus.CANCELLED, OPENED, CHEAP, CHEAP_PARTLY, CHEAP_REFUNDED),
    "forged account": one(REVIEW, OrderStatus.REGISTERED, OPENED, CHEAP_ISSUED, CHEAP_DEPOSITED),
    "currency swap": one(REVIEW, OrderStatus.REGISTERED, OPENED, SWAPPED),
    "sandbox in live": one(REVIEW, OrderStatus.REGISTERED, SANDBOX_OPENED, SANDBOX),
    "paid twice, the first refunded": Story(FIRST_REFUNDED, OrderStatus.PAID, (CANCELLED, PAID)),
    "paid twice, the second refunded": Story(SECOND_REFUNDED, OrderStatus.PAID, (PAID, CANCELLED)),
    "second try": Story(SECOND_TRY, OrderStatus.PAID, (FAILED, PAID)),
}


# Nothing ever came of these: the customer's own word is all there is.
NEVER_OPENED = st.sampled_from([None, MADE_UP])


def seconds(*numbers: float) -> st.SearchStrategy[timedelta]:
    return st.sampled_from([timedelta(seconds=number) for number in numbers])


LAGS = seconds(0, 0, 0, 1, 3)
WAITS = seconds(0.5, 1.5, 3, 16, 31, 90, 700, 1900, 11_000, 4 * 3600)
OUTAGES = st.one_of(
    st.builds(Fail, st.sampled_from([Answer.UNAVAILABLE, Answer.REFUSED]), seconds(3, 30, 400)),
    st.builds(Fail, st.just(Answer.UNKNOWN), seconds(3, 30)),
)
TURNS = st.builds(Turn, st.sampled_from([How.AT_ONCE, How.AT_ONCE, How.HELD, How.HELD, How.SLOW, How.DIES]))
BRINGS = st.builds(Bring, st.integers(0, 3), st.booleans())


def arrivals(names: list[str]) -> st.SearchStrategy[Arrive]:
    payment, another = st.sampled_from([*names, *names, None, MADE_UP]), st.sampled_from([False, False, True])
    landings = st.builds(Arrive, st.just(Kind.LANDING), payment, st.sampled_from(list(Outcome)), another)
    hooks = st.sampled_from(["paid", "paid", "ready", "cancelled", "failed"])
    return landings | st.builds(Arrive, st.just(Kind.WEBHOOK), payment, hooks, another)


@dataclass(frozen=True, slots=True)
class Plot:
    """In which order it happens, and who tells of the last changes."""

    strict: bool
    steps: list[Step]
    endings: dict[str, Ending]


@st.composite
def plots(draw: st.DrawFn, timelines: Timelines) -> Plot:
    """Draw what happens between a story's changes. The order is registered first, or somewhere among it."""
    names = sorted(timelines)
    changes = [
        draw(st.builds(Change, st.just(name), LAGS, st.sampled_from([True, True, False])))
        for name in names
        for _ in timelines[name]
    ]
    between = TURNS | TURNS | BRINGS | arrivals(names) | st.builds(Wait, WAITS) | st.just(Due())
    said_of = st.sampled_from([*names, None, MADE_UP])
    registered_first = draw(st.booleans())
    points = [*changes, *([] if registered_first else [Register()]), *draw(st.lists(OUTAGES, max_size=2))]
    steps: list[Step] = [Register()] if registered_first else []
    for point in draw(st.permutations(points)):
        gives_up = st.builds(Arrive, st.just(Kind.LANDING), said_of, st.just(Outcome.FAILED))
        steps += [point, draw(TURNS | gives_up), *draw(st.lists(between, max_size=4))]
    endings = {name: draw(st.sampled_from(Ending)) for name in names}
    return Plot(draw(st.booleans()), steps, endings)


@contextmanager
def at_the_bakery(database: dict[str, Merchant], mode: str = "live") -> Iterator[Route]:
    key = RouteKey.objects.get(merchant=database["bakery"], mode=mode, kind="webhook", works_until=None)
    route = find_route(key.key, kind="webhook", at=datetime.now(UTC))
    assert route is not None
    with inside(route.schema):
        Duty.objects.all().delete()
        Credential.objects.all().delete()
        keys = Credential(id=new_id(), merchant=database["bakery"], mode=mode, created_at=datetime.now(UTC))
        seal_credential(keys, route.open_vault(), imp_key="key", imp_secret="not-a-secret")
        keys.save()
        yield route


def check(world: World) -> None:
    """Compare all that was kept and told with the model, with PortOne's side, and with itself."""
    events = read_told(world.order)
    check_all(events)
    for name, timeline in world.timelines.items():
        payment = Payment.objects.filter(imp_uid=world.imp_uid(name)).first()
        assert (payment.status if payment else None) == world.model.called.get(name)
        mine = [event for event in events if payment and event["data"]["payment"]["id"] == encode("pay", payment.id)]
        check_news(mine, world.model.news.get(name, []))
        check_entries([event for event in mine if event["type"] == EventType.PAID], timeline)
    check_robbed(world)
    check_quiet(world)
    check_fresh(world)


def check_entries(paid: list[dict[str, Any]], timeline: tuple[State, ...]) -> None:
    """It is told as paid no more often than it was; compared with an order, only while nothing differed from it."""
    compared = [event["data"]["payment"]["verification"]["result"] for event in paid]
    assert compared.count("matched") <= entries([state.status for state in timeline])
    assert compared.count("not_checked") <= entries([state.unregistered for state in timeline])


def entries(statuses: list[PaymentStatus]) -> int:
    """Return how often a payment enters paid."""
    return sum(status == PAID != before for before, status in pairwise([None, *statuses]))


def check_robbed(world: World) -> None:
    """Nobody pays another order by naming this one's payments."""
    told = [event["data"]["payment"]["verification"]["result"] for event in read_told(world.robbed)]
    assert told in ([], ["claimed"], ["unavailable"], ["unavailable", "claimed"])
    rolled_up = {"claimed": OrderStatus.FAILED, "unavailable": OrderStatus.REGISTERED}
    assert Order.objects.get(merchant_uid=world.robbed).status == rolled_up.get("".join(told[-1:]), "registered")


def check_quiet(world: World) -> None:
    """Every arrival is settled, and only what may still change by itself is to be asked about again."""
    assert not Notification.objects.unsettled().filter(received_at__gte=world.began).exists()
    owed = Duty.objects.filter(kind__in=ASKING)
    assert not owed.exclude(kind="ask").exists()
    waiting = Payment.objects.filter(id__in=owed.values("reference"))
    assert all(not payment.judgement.get("final") and payment.status in (FAILED, EXPIRED) for payment in waiting)
    assert world.questions < world.bound


def check_fresh(world: World) -> None:
    """Every arrival had a question that was sent after it came, or an answer that said already what it hints."""
    for note in Notification.objects.filter(received_at__gte=world.began):
        about = Q(merchant_uid=note.merchant_uid, question="find_all")
        about |= Q(imp_uid=note.imp_uid) if note.imp_uid else Q()
        answers = Verification.objects.filter(about, answer__in=[Answer.FOUND, Answer.UNKNOWN])
        asked_at = [*answers.values_list("asked_at", flat=True), *world.swept_at]
        asked_later = any(note.received_at <= moment <= note.settled_at for moment in asked_at)
        assert asked_later or any(says(row.snapshot, note) for row in answers if note.imp_uid), note


def says(shown: dict[str, Any] | None, note: Notification) -> bool:
    """Say whether an answer holds what a webhook hints; a landing hints at any outcome."""
    if shown is None:
        return False
    if cancellation := note.claim.get("cancellation_id"):
        return cancellation in [entry["id"] for entry in shown["cancellations"]]
    is_outcome = shown["status"] != "ready" or shown["virtual_account"] is not None
    return is_outcome and note.claim.get("status", shown["status"]) == shown["status"]


@pytest.mark.parametrize("title", STORIES)
@slow
@given(data=st.data())
def test_whatever_happens_it_comes_to_rest_in_the_truth(
    database: dict[str, Merchant], title: str, data: st.DataObject
) -> None:
    """When nothing is owed any more each payment and its order are right, and each change was told once."""
    story = STORIES[title]
    plot = data.draw(plots(story.timelines))

    with at_the_bakery(database) as route:
        world = World(replace(route, strict=plot.strict), story.timelines)
        world.play(plot.steps)
        world.come_to_rest(endings=plot.endings)

        check(world)
        # A test payment shows itself only to a last look, which may come before the API shows that it is paid.
        if title != "sandbox in live" or world.model.called:
            assert tuple(world.model.called[name] for name in sorted(story.timelines)) == story.payments
            assert Order.objects.get(merchant_uid=world.order).status == story.order


@pytest.mark.parametrize(("first", "called"), [([Register()], {"one": REVIEW}), ([], {})])
def test_one_last_look_finds_a_test_payment_of_a_registered_order(
    database: dict[str, Merchant], first: list[Step], called: dict[str, PaymentStatus]
) -> None:
    """A webhook of a payment that stays unknown is worth one look among test payments, if its order is registered."""
    at_once = timedelta(0)

    with at_the_bakery(database) as route:
        world = World(route, STORIES["sandbox in live"].timelines)
        world.play([*first, Change("one", at_once, heard=False), Change("one", at_once, heard=True)])
        world.come_to_rest(endings={"one": Ending.SWEEP})

        check(world)
        assert world.model.called == called


@slow
@given(data=st.data())
def test_a_window_that_never_opened_is_told_once_as_claimed(database: dict[str, Merchant], data: st.DataObject) -> None:
    """The customer's own words are told once, after their delay and an answer; of what nobody expects, never."""
    words = st.builds(Arrive, st.just(Kind.LANDING), NEVER_OPENED, st.just(Outcome.FAILED))
    between = TURNS | TURNS | BRINGS | words | st.builds(Wait, WAITS) | st.just(Due()) | OUTAGES
    registered = data.draw(st.booleans())
    steps = [*data.draw(st.lists(between, max_size=6)), *data.draw(st.lists(words, min_size=1, max_size=1))]

    with at_the_bakery(database) as route:
        world = World(route, {})
        world.play([*([Register()] if registered else []), *steps, *data.draw(st.lists(between, max_size=6))])
        world.come_to_rest(endings={})

        check(world)
        results = [event["data"]["payment"]["verification"]["result"] for event in read_told(world.order)]
        assert [one for one in results if one != "unavailable"] == (["claimed"] if registered else [])
