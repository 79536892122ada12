"""Telling again: what is meant, what is made due, and that nothing is made due twice or for somebody else."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from results.core.replay import Standing, Wish
from results.core.words import EventType
from results.duties import LEASE
from results.models import Delivery, Endpoint, Event, Order, Replay
from results.replay import NothingToCancel, begin_replay, cancel_replay, plan_replay, read_progress, replay_batch
from results.tell import announce, owe_deliveries
from tenants.fields import new_id
from tenants.models import AuditEntry, Duty
from tenants.routing import inside
from tests.factories import Cast, add_endpoint

Jobs = Callable[[], None]
START = datetime(2026, 11, 20, 3, tzinfo=UTC)
AT = START + timedelta(days=1)
TAKEN = {"delivered_at": START, "heard_at": START}
GIVEN_UP = {"given_up_at": START}


@dataclass(slots=True)
class World:
    """Events of one mode by name, told to its endpoints, and what is asked of a replay."""

    cast: Cast
    events: dict[str, Event] = field(default_factory=dict)

    def tells(self, *names: str, order: str = "order-1", type: str = EventType.PAID, at: datetime = START) -> None:
        """Tell events of an order, a second apart."""
        with inside(self.cast.merchant.schema_name):
            row, _ = Order.objects.get_or_create(
                mode=self.cast.mode, merchant_uid=order, defaults={"created_at": START}
            )
            for place, name in enumerate(names):
                row.sequence += 1
                made = Event.objects.create(
                    id=new_id(),
                    mode=self.cast.mode,
                    order=row,
                    sequence=row.sequence,
                    type=type,
                    created_at=at + timedelta(seconds=place),
                    body=f'{{"data": {{"order": {{"id": "{order}"}}}}, "name": "{name}"}}'.encode(),
                )
                owe_deliveries(self.cast.route, made, at=made.created_at)
                self.events[name] = made
            row.save()

    def stands(self, *names: str, **fields: Any) -> None:
        """Let deliveries have ended, or anything else; what has ended is owed no more."""
        with inside(self.cast.merchant.schema_name):
            rows = Delivery.objects.filter(event__in=[self.events[name] for name in names])
            rows.update(**fields)
            if fields.keys() & {"delivered_at", "given_up_at"}:
                Duty.objects.filter(reference__in=rows.values_list("id", flat=True)).delete()

    def begins(self, wish: Wish, at: datetime = AT) -> UUID:
        with inside(self.cast.merchant.schema_name):
            return begin_replay(self.cast.route, wish, actor="owner@bakery.example", at=at).id

    def steps(self, replay: UUID, position: UUID | None = None, at: datetime = AT, size: int = 500) -> Replay:
        """Do one batch."""
        with inside(self.cast.merchant.schema_name):
            replay_batch(self.cast.route, replay, position=position, at=at, size=size)
            return Replay.objects.get(id=replay)

    def replays(self, wish: Wish, at: datetime = AT, size: int = 500) -> Replay:
        """Begin a replay and do it to its end."""
        replay = self.steps(self.begins(wish, at), at=at, size=size)
        while replay.state == Replay.State.RUNNING:
            at += timedelta(seconds=1)
            replay = self.steps(replay.id, replay.position, at=at, size=size)
        return replay

    def cancels(self, replay: UUID, at: datetime = AT) -> Replay:
        with inside(self.cast.merchant.schema_name):
            return cancel_replay(self.cast.route, replay, actor="owner@bakery.example", at=at)

    def plans(self, wish: Wish) -> tuple[int, int]:
        with inside(self.cast.merchant.schema_name):
            plan = plan_replay(self.cast.route, wish, at=AT)
        return plan.events, plan.deliveries

    def delivery(self, name: str, endpoint: UUID | None = None) -> Delivery:
        return next(
            row
            for row in self.cast.rows(Delivery)
            if row.event_id == self.events[name].id and endpoint in (None, row.endpoint_id)
        )

    def due(self) -> list[str]:
        """Return the names of what a replay made due, in the order in which it is taken."""
        rows = {row.id: row.event_id for row in self.cast.rows(Delivery)}
        names = {event.id: name for name, event in self.events.items()}
        owed = Duty.objects.filter(kind=Duty.Kind.REDELIVER).order_by("due_at", "id")
        return [names[rows[duty.reference]] for duty in owed if duty.reference in rows]

    def replayed(self, replay: Replay) -> list[str]:
        names = {event.id: name for name, event in self.events.items()}
        return sorted(names[row.event_id] for row in self.cast.rows(Delivery) if row.replay_id == replay.id)

    def endpoint(self, url: str = "https://warehouse.example/in", **fields: Any) -> UUID:
        """Give the merchant another endpoint, made now."""
        add_endpoint(self.cast, url, **fields)
        return max(endpoint.id for endpoint in self.cast.rows(Endpoint))


@pytest.fixture
def world(bakery: Cast) -> World:
    """A bakery whose one endpoint has been told eight events, and stands differently with each."""
    world = World(bakery)
    world.tells("paid-1", "paid-2")
    world.tells("cancelled-1", type=EventType.CANCELLED, at=START + timedelta(hours=1))
    world.tells("paid-3", order="order-2", at=START + timedelta(hours=2))
    world.tells("declined-3", order="order-2", type=EventType.DECLINED, at=START + timedelta(hours=3))
    world.tells("review-4", order="order-4", type=EventType.REVIEW_AMOUNT, at=START + timedelta(hours=4))
    world.tells("pending-5", order="order-5", type=EventType.PENDING, at=START + timedelta(hours=5))
    world.stands("paid-1", "cancelled-1", "declined-3", **TAKEN)
    world.stands("paid-2", **GIVEN_UP)
    return world


HOURS = [START + timedelta(hours=hour) for hour in range(6)]
WISHES: list[tuple[Wish, str]] = [
    (Wish(since=START), "cancelled-1 declined-3 paid-1 paid-2 paid-3 review-4"),
    (Wish(undelivered=True, since=START), "paid-2 paid-3 review-4"),
    (Wish(undelivered=True, since=HOURS[1]), "paid-3 review-4"),
    (Wish(undelivered=True, types=("payment.paid",)), "paid-2 paid-3"),
    (Wish(status=Standing.DELIVERED), "cancelled-1 declined-3 paid-1"),
    (Wish(status=Standing.GIVEN_UP), "paid-2"),
    (Wish(status=Standing.UNDELIVERED), "paid-3 review-4"),
    (Wish(types=("payment.review.*",)), "review-4"),
    (Wish(types=("payment.paid", "payment.declined")), "declined-3 paid-1 paid-2 paid-3"),
    (Wish(types=("payment.*",), order="order-2"), "declined-3 paid-3"),
    (Wish(types=("payment.pending",)), ""),
    (Wish(types=("account.*",)), ""),
    (Wish(order="order-1"), "cancelled-1 paid-1 paid-2"),
    (Wish(order="order-1", status=Standing.DELIVERED, until=HOURS[1]), "paid-1"),
    (Wish(order="order-9"), ""),
    (Wish(since=HOURS[1], until=HOURS[3]), "cancelled-1 paid-3"),
    (Wish(since=HOURS[4]), "review-4"),
    (Wish(since=AT), ""),
]


@pytest.mark.parametrize(("wish", "names"), WISHES, ids=[str(wish.as_json()) for wish, _ in WISHES])
def test_what_is_counted_is_what_is_made(world: World, wish: Wish, names: str) -> None:
    """A dry run's count is what the replay then makes due, whatever the filter; it changes nothing itself."""
    before = world.cast.rows(Delivery), list(Duty.objects.values())

    events, deliveries = world.plans(wish)

    assert (world.cast.rows(Delivery), list(Duty.objects.values())) == before
    replay = world.replays(wish)
    assert world.replayed(replay) == names.split()
    assert events == deliveries == replay.expected == replay.made == len(names.split())
    assert replay.state == Replay.State.FINISHED


def test_one_event_is_told_again(world: World) -> None:
    """A wish may name one event."""
    wish = Wish(event=world.events["paid-2"].id)

    assert world.plans(wish) == (1, 1)
    assert world.replayed(world.replays(wish)) == ["paid-2"]
    assert world.due() == ["paid-2"]


def test_what_was_heard_begins_a_new_round(world: World) -> None:
    """A delivery that had ended is owed anew, from the first step, and remembers that it was heard."""
    world.stands("paid-1", step=3, tries=4, given_up_at=None)

    replay = world.replays(Wish(event=world.events["paid-1"].id))

    row = world.delivery("paid-1")
    assert (row.delivered_at, row.given_up_at, row.heard_at) == (None, None, START)
    assert (row.began_at, row.step, row.draining, row.again, row.replay_id) == (AT, 0, True, True, replay.id)
    assert row.tries == 4
    assert Duty.objects.get(reference=row.id).due_at == AT + timedelta(microseconds=1)


def test_what_was_heard_before_that_was_written_down_is_remembered(world: World) -> None:
    """A delivery that ended when nobody noted its first success gets it from its end."""
    world.stands("paid-1", delivered_at=START, heard_at=None)

    replay = world.replays(Wish(event=world.events["paid-1"].id))
    world.cancels(replay.id)

    assert world.delivery("paid-1").delivered_at == START


def test_what_is_owed_already_has_one_duty_afterwards(world: World) -> None:
    """A delivery that waits for its next try is tried now, and not once more at the old time."""
    row = world.delivery("paid-3")
    Duty.objects.filter(reference=row.id).update(kind="redeliver", due_at=AT + timedelta(hours=12))

    world.replays(Wish(undelivered=True, order="order-2"))

    duty = Duty.objects.get(reference=row.id)
    assert (duty.kind, duty.lane) == (Duty.Kind.REDELIVER, row.endpoint_id)
    assert duty.due_at == AT + timedelta(microseconds=1)
    assert (world.delivery("paid-3").began_at, world.delivery("paid-3").again) == (AT, False)


def test_a_request_under_way_is_let_end_first(world: World) -> None:
    """A delivery that a worker has on lease is not sent a second time beside it."""
    row = world.delivery("paid-3")
    Duty.objects.filter(reference=row.id).update(kind="redeliver", due_at=AT + LEASE)

    world.replays(Wish(undelivered=True, order="order-2"))

    assert Duty.objects.get(reference=row.id).due_at == AT + LEASE


def test_an_endpoint_made_later_hears_what_was_before_its_time(world: World) -> None:
    """Events go to an endpoint that was made after them, as far as it subscribes; the others hear nothing again."""
    later = world.endpoint(events=["payment.paid", "payment.pending"])
    wish = Wish(undelivered=True, since=START, endpoint=later)

    assert world.plans(wish) == (4, 4)
    replay = world.replays(wish)

    rows = [row for row in world.cast.rows(Delivery) if row.replay_id == replay.id]
    assert {row.endpoint_id for row in rows} == {later}
    assert all((row.again, row.draining, row.began_at, row.created_at) == (True, True, AT, AT) for row in rows)
    assert world.due() == ["paid-1", "paid-2", "paid-3", "pending-5"]
    assert {duty.lane for duty in Duty.objects.filter(kind="redeliver")} == {later}


def test_everything_undelivered_is_for_every_endpoint(world: World) -> None:
    """Without an endpoint each hears what it misses itself: events are counted once, deliveries for each."""
    world.endpoint(events=["payment.paid"])

    assert world.plans(Wish(undelivered=True, since=START)) == (4, 2 + 1 + 3)
    assert world.replays(Wish(undelivered=True, since=START)).made == 6


def test_pings_are_never_told_again(world: World) -> None:
    """A test ping was for its moment: no wish means it, although endpoints subscribe to `endpoint.*`."""
    with inside(world.cast.merchant.schema_name):
        world.events["ping"] = announce(world.cast.route, EventType.PING, {"endpoint": {}}, at=START)
        world.events["gap"] = announce(world.cast.route, EventType.RECONCILIATION_GAP, {"account": {}}, at=START)

    assert world.plans(Wish(event=world.events["ping"].id)) == (0, 0)
    assert world.replayed(world.replays(Wish(types=("endpoint.*", "account.*")))) == ["gap"]


def test_what_happens_after_the_wish_is_not_part_of_it(world: World) -> None:
    """Events that are younger than the replay are told by themselves."""
    replay = world.begins(Wish(order="order-1"))
    world.tells("paid-later", at=AT + timedelta(seconds=1))

    assert world.steps(replay, at=AT + timedelta(minutes=1)).made == 3
    assert world.delivery("paid-later").replay_id is None


@pytest.mark.parametrize("column", ["paused_at", "disabled_at", "opened_at"])
def test_who_does_not_listen_gets_a_backlog(world: World, column: str) -> None:
    """A paused, disabled or failing endpoint gets deliveries and no duties: a backlog that holds back nothing."""
    with inside(world.cast.merchant.schema_name):
        Endpoint.objects.update(**{column: START})
    Duty.objects.all().delete()

    replay = world.replays(Wish(since=START))

    assert replay.made == 6
    rows = [row for row in world.cast.rows(Delivery) if row.replay_id == replay.id]
    assert {(row.delivered_at, row.given_up_at, row.draining) for row in rows} == {(None, None, False)}
    assert not Duty.objects.exists()


def test_duties_stand_in_the_order_of_the_events(world: World) -> None:
    """What is made due is taken in the order in which it was told first, also over several batches."""
    world.replays(Wish(since=START), size=2)

    assert world.due() == ["paid-1", "paid-2", "cancelled-1", "paid-3", "declined-3", "review-4"]


@pytest.mark.parametrize("size", [1, 2, 3, 500])
def test_batches_end_where_the_events_end(world: World, size: int) -> None:
    """Whatever the size of a batch, each event is done once and the replay finishes."""
    replay = world.replays(Wish(since=START), size=size)

    assert (replay.made, replay.state, len(world.due())) == (6, Replay.State.FINISHED, 6)
    assert replay.ended_at is not None


def test_events_of_one_moment_are_all_reached(world: World) -> None:
    """Events that were made at the very same moment are each done once when a batch ends between them."""
    for name in ("same-1", "same-2", "same-3"):
        world.tells(name, order="order-6", at=START + timedelta(hours=6))

    replay = world.replays(Wish(order="order-6"), size=2)

    assert (replay.made, world.due()) == (3, ["same-1", "same-2", "same-3"])


def test_a_job_that_runs_twice_does_nothing_twice(world: World) -> None:
    """The same job again finds that the replay has moved on, and leaves everything alone."""
    replay = world.steps(world.begins(Wish(since=START)), size=2)
    world.stands("paid-1", **TAKEN)

    again = world.steps(replay.id, None, at=AT + timedelta(minutes=1), size=2)

    assert (again.made, again.position) == (2, replay.position)
    assert world.delivery("paid-1").delivered_at == START


def test_two_workers_with_one_job_make_it_due_once(world: World) -> None:
    """Two workers that do one job at the same moment do it once."""
    replay = world.begins(Wish(since=START))

    def work(_: int) -> None:
        world.steps(replay, None)
        connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    assert world.steps(replay, None).made == 6
    assert sorted(world.due()) == sorted({*world.due()})


def test_two_replays_of_the_same_make_one_delivery(world: World) -> None:
    """Two replays that fill one new endpoint at the same moment make each of its deliveries once."""
    later = world.endpoint(events=["payment.paid"])
    replays = [world.begins(Wish(endpoint=later)) for _ in range(3)]

    def work(replay: UUID) -> int:
        made = world.steps(replay, None).made
        connections.close_all()
        return made

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, replays))

    rows = [row for row in world.cast.rows(Delivery) if row.endpoint_id == later]
    assert len(rows) == 3
    assert sorted(world.due()) == ["paid-1", "paid-2", "paid-3"]


def test_a_crash_between_two_batches_loses_nothing(world: World, do_jobs: Jobs) -> None:
    """What a worker leaves behind when it dies is gone on with from the replay's row."""
    replay = world.steps(world.begins(Wish(since=START)), size=2)
    assert (replay.made, replay.state) == (2, Replay.State.RUNNING)

    do_jobs()

    replay = world.steps(replay.id, replay.position)
    assert (replay.made, replay.state) == (6, Replay.State.FINISHED)
    assert len(world.due()) == 6


def test_a_failing_batch_leaves_nothing_half_done(world: World) -> None:
    """Rows, duties, position and the next job are one: without the next job none of it is there."""
    replay = world.begins(Wish(since=START))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE public.pgqueuer RENAME TO elsewhere")
    try:
        with pytest.raises(Exception, match="pgqueuer"):
            world.steps(replay, size=2)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE public.elsewhere RENAME TO pgqueuer")

    assert world.due() == []
    assert world.delivery("paid-1").delivered_at == START
    assert world.steps(replay, size=2).made == 2


def test_jobs_do_a_replay_to_its_end(world: World, do_jobs: Jobs) -> None:
    """A worker does what was begun without being asked again."""
    replay = world.begins(Wish(since=START), at=datetime.now(UTC))

    do_jobs()

    assert [(row.id, row.state, row.made) for row in world.cast.rows(Replay)] == [(replay, "finished", 6)]


def test_a_replay_is_cancelled_in_the_middle(world: World) -> None:
    """Nothing more is made due; what had ended ends again as it was, and what was owed before stays owed."""
    world.tells("given-up-late", order="order-4", at=START + timedelta(minutes=1))
    world.stands("given-up-late", **GIVEN_UP)
    replay = world.steps(world.begins(Wish(since=START)), size=5)
    world.stands("paid-2", delivered_at=AT, heard_at=AT)  # it was told meanwhile

    world.cancels(replay.id, at=AT + timedelta(minutes=1))
    world.steps(replay.id, replay.position, at=AT + timedelta(minutes=2))

    rows = {name: world.delivery(name) for name in world.events if name != "pending-5"}
    assert rows["paid-1"].delivered_at == rows["cancelled-1"].delivered_at == START
    assert rows["given-up-late"].given_up_at == AT + timedelta(minutes=1)
    assert rows["paid-2"].delivered_at == AT
    assert (rows["paid-3"].delivered_at, rows["paid-3"].given_up_at) == (None, None)
    assert rows["review-4"].replay_id is None
    assert world.cast.rows(Replay)[0].state == Replay.State.CANCELLED


def test_what_a_cancelled_replay_owed_is_not_sent(world: World, run_worker: Callable[..., None]) -> None:
    """The duties that a cancelled replay leaves behind send nothing."""
    replay = world.replays(Wish(status=Standing.DELIVERED), at=datetime.now(UTC))
    Duty.objects.exclude(kind="redeliver").delete()

    world.cancels(replay.id)
    run_worker()

    assert world.cast.shop.received() == []
    assert not Duty.objects.exists()


def test_what_is_still_being_told_is_cancelled_once(world: World) -> None:
    """A finished replay that is still being told can be stopped too, once."""
    replay = world.replays(Wish(status=Standing.DELIVERED))

    world.cancels(replay.id)

    with pytest.raises(NothingToCancel, match="cancelled"):
        world.cancels(replay.id)


def test_what_is_over_cannot_be_cancelled(world: World) -> None:
    """A replay of which everything was told, or of another mode, is not cancelled."""
    replay = world.replays(Wish(status=Standing.DELIVERED))
    world.stands("paid-1", "cancelled-1", "declined-3", **TAKEN)

    with pytest.raises(NothingToCancel, match="finished"):
        world.cancels(replay.id)
    with pytest.raises(NothingToCancel, match="no such replay"):
        world.cancels(new_id())


def test_a_later_replay_takes_over(world: World) -> None:
    """What one replay owes and another asks for too belongs to the later one, and stays owed if that is cancelled."""
    first = world.replays(Wish(status=Standing.DELIVERED))
    second = world.replays(Wish(order="order-1", undelivered=True), at=AT + timedelta(minutes=1))

    world.cancels(second.id)
    world.cancels(first.id)

    assert world.delivery("paid-1").delivered_at is None
    assert world.delivery("declined-3").delivered_at == START


def test_progress_is_counted_by_what_became_of_it(world: World) -> None:
    """A replay says how much of what it made due was told, given up, is owed, and was not tried yet."""
    replay = world.replays(Wish(since=START))
    world.stands("paid-1", **TAKEN)
    world.stands("paid-2", **GIVEN_UP)
    world.stands("paid-3", step=1)

    with inside(world.cast.merchant.schema_name):
        progress = read_progress([replay])[0]

    assert (progress.told, progress.given_up, progress.owed, progress.untried) == (1, 1, 4, 3)


def test_who_asked_is_written_down(world: World) -> None:
    """Beginning and cancelling leave entries that say who, what was wished, and how much that was."""
    replay = world.begins(Wish(order="order-1", status=Standing.DELIVERED))
    world.cancels(replay)

    entries = AuditEntry.objects.filter(action__startswith="replay.").order_by("id")
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("replay.begun", "owner@bakery.example"),
        ("replay.cancelled", "owner@bakery.example"),
    ]
    assert entries[0].detail == {"mode": "live", "order": "order-1", "status": "delivered", "expected": 2}
    assert {entry.subject[:4] for entry in entries} == {"rep_"}


def test_nobody_else_is_told_again(world: World, florist: Cast, test_bakery: Cast) -> None:
    """A replay touches its own merchant and mode only."""
    others = [World(florist), World(test_bakery)]
    for other in others:
        other.tells("theirs", order="order-1")
        other.stands("theirs", **TAKEN)

    world.replays(Wish(since=START))

    for other in others:
        row = next(row for row in other.cast.rows(Delivery) if row.event_id == other.events["theirs"].id)
        assert (row.delivered_at, row.replay_id) == (START, None)
    lanes = {endpoint.id for endpoint in world.cast.rows(Endpoint) if endpoint.mode == "live"}
    assert {duty.lane for duty in Duty.objects.filter(kind="redeliver")} == lanes


def test_a_job_of_a_merchant_who_has_left_does_nothing(world: World, do_jobs: Jobs) -> None:
    """A job whose replay is gone ends quietly."""
    world.begins(Wish(since=START))
    with inside(world.cast.merchant.schema_name):
        Replay.objects.all().delete()

    do_jobs()

    assert world.due() == []


def test_a_batch_costs_the_same_however_much_is_in_it(world: World, note: Callable[[str], None]) -> None:
    """The number of queries of a batch depends neither on its events nor on the endpoints."""
    few = queries(world, Wish(order="order-2"), 1)
    world.endpoint("https://warehouse.example/in")
    world.endpoint("https://ledger.example/in")
    world.tells(*[f"more-{number}" for number in range(60)], order="order-7")

    many = queries(world, Wish(order="order-7"), 50)

    assert few == many
    note(f"a batch of a replay: {many} queries through Django, and two beside it")


def queries(world: World, wish: Wish, size: int) -> int:
    replay = world.begins(wish)
    with CaptureQueriesContext(connection) as captured:
        world.steps(replay, size=size)
    return len([one for one in captured if not one["sql"].startswith(("SET", "SELECT 1"))])
