"""Tell again: one event, a filter, or everything that a shop missed while it was down.

A replay works from events, in small batches, each a job of its own: rows, duties and position commit together with
the next job, so it survives a restart, lets its neighbours' jobs in between, and does nothing twice. Bytes and id of
an event stay as they were. What is paused, disabled or only probed gets rows without duties, as when it was told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Case, Count, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from results import duties
from results.backlog import lock
from results.core.ids import encode
from results.core.replay import Standing, Wish
from results.core.words import hears
from results.models import Delivery, Endpoint, Replay
from results.seek import (
    LISTENING,
    STANDINGS,
    UNDELIVERED,
    Place,
    find_endpoints,
    find_events,
    meant_for,
    next_events,
    standing_of,
)
from tenants import jobs
from tenants.models import AuditEntry
from tenants.routing import Route, find_mode, inside

STEP: Final = "replay"
EVENTS_A_TIME: Final = 500
ENDED_A_TIME: Final = 5_000


class NothingToCancel(Exception):
    """There is no such replay, or nothing of it can be stopped any more."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one endpoint would hear of a replay; `held` says why it would have to wait."""

    endpoint: Endpoint
    deliveries: int
    held: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would do: how many events, and how many deliveries to whom."""

    events: int
    shares: tuple[Share, ...]

    @property
    def deliveries(self) -> int:
        return sum(share.deliveries for share in self.shares)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is: of what it made due, told, given up, owed; and of that, not tried yet though it could be."""

    replay: Replay
    told: int
    given_up: int
    owed: int
    untried: int

    @property
    def overtaken(self) -> int:
        """How many of them a later replay has begun anew, which counts them since."""
        return self.replay.made - self.told - self.given_up - self.owed


@dataclass(slots=True)
class Sorted:
    """What a batch has to begin anew: pairs of event and endpoint without a delivery, and deliveries by their state."""

    missing: list[tuple[UUID, UUID]] = field(default_factory=list)
    ended: list[UUID] = field(default_factory=list)
    owed: list[UUID] = field(default_factory=list)

    def add(self, pair: tuple[UUID, UUID], delivery: Delivery | None) -> None:
        if delivery is None:
            self.missing.append(pair)
        elif standing_of(delivery) == Standing.UNDELIVERED:
            self.owed.append(delivery.id)
        else:
            self.ended.append(delivery.id)


def plan_replay(route: Route, wish: Wish, *, at: datetime) -> Plan:
    """Count what a replay would tell, and change nothing. Stand inside the merchant's schema, here and below."""
    events = find_events(route.mode, wish, at=at)
    meant = {endpoint: meant_for(endpoint, wish) for endpoint in find_endpoints(route.mode, wish)}
    shares = tuple(Share(one, events.filter(condition).count(), held_because(one)) for one, condition in meant.items())
    anyone = Q(pk__in=[])
    for condition in meant.values():
        anyone |= condition
    return Plan(events.filter(anyone).count(), shares)


def begin_replay(route: Route, wish: Wish, *, actor: str, at: datetime) -> Replay:
    """Write down the wish, who had it, and the job that begins with it; a worker does the rest."""
    with transaction.atomic():
        replay = Replay.objects.create(
            mode=route.mode,
            endpoint_id=wish.endpoint,
            wish=wish.as_json(),
            actor=actor,
            expected=plan_replay(route, wish, at=at).deliveries,
            created_at=at,
        )
        _enqueue(route, replay)
        detail = wish.as_json() | ({"endpoint": encode("end", wish.endpoint)} if wish.endpoint else {})
        _audit(route, replay, "replay.begun", actor, detail | {"expected": replay.expected}, at=at)
    return replay


def cancel_replay(route: Route, replay_id: UUID, *, actor: str, at: datetime) -> Replay:
    """Make nothing more due, and end again what had ended before and was not told again yet. Raises NothingToCancel.

    What was owed before the replay stays owed.
    """
    with transaction.atomic():
        replay = Replay.objects.select_for_update().filter(mode=route.mode, id=replay_id).first()
        if replay is None:
            raise NothingToCancel("there is no such replay in this mode")
        running = replay.state == Replay.State.RUNNING
        if not running and not _unsent(replay).exists():
            raise NothingToCancel(f"it is {replay.state}, and nothing of it is left to stop")
        replay.state, replay.ended_at = Replay.State.CANCELLED, at
        replay.save(update_fields=["state", "ended_at"])
        _audit(route, replay, "replay.cancelled", actor, {"made": replay.made, "expected": replay.expected}, at=at)
        _end_some(route, replay)
    return replay


def continue_replay(*, merchant: str, mode: str, replay: str, position: str) -> None:
    """Do a replay's next batch: the job. One that comes twice, or for a merchant who has left, does nothing."""
    route = find_mode(UUID(merchant), mode)
    if route is None:
        return
    with inside(route.schema):
        replay_batch(route, UUID(replay), position=UUID(position) if position else None, at=datetime.now(UTC))


def replay_batch(
    route: Route, replay_id: UUID, *, position: UUID | None, at: datetime, size: int = EVENTS_A_TIME
) -> None:
    """Make due what the next events after `position` mean, and enqueue the next batch, all in one transaction.

    Does nothing when the replay is no longer at `position`: another run of the same job was faster.
    """
    with transaction.atomic():
        replay = Replay.objects.select_for_update().filter(id=replay_id).first()
        if replay is None or replay.position != position:
            return
        if replay.state == Replay.State.CANCELLED:
            _end_some(route, replay)
        if replay.state == Replay.State.RUNNING:
            _do_batch(route, replay, at=at, size=size)


def read_progress(replays: Sequence[Replay]) -> list[Progress]:
    """Return how far these replays are, by one query."""
    counted = (
        Delivery.objects.filter(replay__in=replays)
        .values_list("replay")
        .annotate(
            told=Count("id", filter=STANDINGS[Standing.DELIVERED]),
            given_up=Count("id", filter=STANDINGS[Standing.GIVEN_UP]),
            owed=Count("id", filter=UNDELIVERED),
            untried=Count("id", filter=UNDELIVERED & Q(step=0) & LISTENING),
        )
    )
    counts = {replay: figures for replay, *figures in counted}
    return [Progress(replay, *counts.get(replay.id, (0, 0, 0, 0))) for replay in replays]


def held_because(endpoint: Endpoint) -> str:
    """Return why an endpoint's deliveries wait without duties, or an empty string when it listens."""
    if endpoint.disabled_at:
        return "disabled"
    if endpoint.paused_at:
        return "paused"
    return "probed" if endpoint.opened_at else ""


def _do_batch(route: Route, replay: Replay, *, at: datetime, size: int) -> None:
    wish = Wish.from_json(replay.wish, endpoint=replay.endpoint_id)
    # Nothing younger than the replay: such events have their deliveries already, and the end would move away.
    events = next_events(find_events(replay.mode, wish, at=replay.created_at), replay.position, size)
    if events:
        replay.made += _make_due(route, replay, wish, events, at=at)
        replay.position = events[-1].id
    if len(events) == size:
        _enqueue(route, replay)
    else:
        replay.state, replay.ended_at = Replay.State.FINISHED, at
    replay.save(update_fields=["made", "position", "state", "ended_at"])


def _make_due(route: Route, replay: Replay, wish: Wish, events: Sequence[Place], *, at: datetime) -> int:
    """Begin a new round of what these events mean; return how many deliveries that are.

    Endpoints are locked first, then duties, then deliveries, as where attempts are recorded.
    """
    endpoints = list(lock(one.id for one in find_endpoints(route.mode, wish)))
    listening = [one.id for one in endpoints if one.listens]
    duties.hold(_sort_out(wish, events, endpoints, _deliveries(events, endpoints)).owed)
    # no_key: an attempt that is being written down refers to its delivery.
    locked = _deliveries(events, endpoints).select_for_update(no_key=True)
    _begin_rounds(replay, _sort_out(wish, events, endpoints, locked), listening, at=at)
    begun = _deliveries(events, endpoints).filter(UNDELIVERED, replay=replay)
    begun = begun.order_by("event__created_at", "event_id")
    places = list(begun.values_list("endpoint_id", "id"))
    owed = [(endpoint, delivery) for endpoint, delivery in places if endpoint in listening]
    duties.owe_again(merchant=route.merchant_id, mode=route.mode, deliveries=owed, due_at=at)
    return len(places)


def _deliveries(events: Sequence[Place], endpoints: Sequence[Endpoint]) -> QuerySet[Delivery]:
    return Delivery.objects.filter(event__in=[event.id for event in events], endpoint__in=endpoints).order_by("id")


def _sort_out(
    wish: Wish, events: Sequence[Place], endpoints: Sequence[Endpoint], deliveries: QuerySet[Delivery]
) -> Sorted:
    """Compare what is meant with what is there."""
    known = {(row.event_id, row.endpoint_id): row for row in deliveries}
    found = Sorted()
    for event in events:
        for endpoint in endpoints:
            delivery = known.get((event.id, endpoint.id))
            if hears(endpoint.events, event.type) and wish.wants(standing_of(delivery), event.type):
                found.add((event.id, endpoint.id), delivery)
    return found


def _begin_rounds(replay: Replay, found: Sorted, listening: Sequence[UUID], *, at: datetime) -> None:
    begun: dict[str, Any] = {"began_at": at, "step": 0, "replay": replay}
    Delivery.objects.bulk_create(
        Delivery(
            event_id=event,
            endpoint_id=endpoint,
            created_at=at,
            draining=endpoint in listening,
            again=True,
            **begun,
        )
        for event, endpoint in found.missing
    )
    # The backlog of an endpoint that does not listen is a drain only once it is owed.
    begun["draining"] = Case(When(endpoint__in=listening, then=True), default=False)
    heard = Coalesce("heard_at", "delivered_at")
    ended = {"heard_at": heard, "delivered_at": None, "given_up_at": None}
    Delivery.objects.filter(id__in=found.ended).update(again=True, **ended, **begun)
    # Owed before this round, even if by another replay: whoever cancels this one leaves it owed.
    Delivery.objects.filter(id__in=found.owed).update(again=False, **begun)


def _end_some(route: Route, replay: Replay) -> None:
    """End again what a cancelled replay has not told; the rest, if there is more, in a job."""
    unsent = list(
        _unsent(replay).order_by("id").select_for_update(no_key=True).values_list("id", flat=True)[:ENDED_A_TIME]
    )
    Delivery.objects.filter(id__in=unsent).update(
        delivered_at=F("heard_at"),
        given_up_at=Case(When(heard_at=None, then=Value(replay.ended_at))),
        draining=False,
    )
    if len(unsent) == ENDED_A_TIME:
        _enqueue(route, replay)


def _unsent(replay: Replay) -> QuerySet[Delivery]:
    return Delivery.objects.filter(UNDELIVERED, replay=replay, again=True)


def _enqueue(route: Route, replay: Replay) -> None:
    position = str(replay.position or "")
    payload = {"merchant": str(route.merchant_id), "mode": route.mode, "replay": str(replay.id), "position": position}
    jobs.enqueue(STEP, payload)


def _audit(route: Route, replay: Replay, action: str, actor: str, detail: dict[str, Any], *, at: datetime) -> None:
    AuditEntry.objects.create(
        merchant_id=route.merchant_id,
        at=at,
        actor=actor,
        action=action,
        subject=encode("rep", replay.id),
        detail={"mode": route.mode} | detail,
    )
