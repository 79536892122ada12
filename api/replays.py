"""Replays: be told again what you missed, in the order of its making. Begin with `dry_run`, which changes nothing."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from ninja import Path, Query, Router, Schema, Status
from pydantic import Field, StrictBool

from api.auth import caller_of, needs
from api.deliveries import EndpointId, Held, ReplayId
from api.errors import Problem
from api.events import check_type, no_id
from api.idempotency import idempotent
from api.paging import PageOf, read_id, read_page, show_list
from api.payment_shapes import EventId, OrderNumber
from api.schemas import Instant, ListOf, Moment, Strict, Text
from results.core.ids import encode
from results.core.replay import Standing, Wish
from results.core.result import written_time
from results.core.words import EventType
from results.models import Endpoint, Event, Order, Replay
from results.replay import (
    NothingToCancel,
    Plan,
    Progress,
    begin_replay,
    cancel_replay,
    plan_replay,
    read_progress,
)
from results.story import host_of
from tenants.routing import Route, inside

router = Router(tags=["replays"])

State = Literal["running", "finished", "cancelled"]

MOST_TYPES: Final = 40
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)


class ReplayFilter(Strict):
    """Which events are to be told again; all that is said has to hold. Say at least one thing."""

    types: Annotated[
        tuple[Text, ...],
        Field(max_length=MOST_TYPES, description="types, or all that begin alike", examples=[["payment.*"]]),
    ] = ()
    order: Annotated[Text | None, Field(description="of this order", examples=["order-1042"])] = None
    status: Annotated[Standing | None, Field(description="only what stands so with its endpoint")] = None
    created_from: Annotated[Instant | None, Field(description="events made then or later")] = None
    created_before: Annotated[Instant | None, Field(description="events made earlier")] = None
    undelivered_since: Annotated[
        Instant | None,
        Field(
            description="all that your server missed since then: owed, given up, or told before the endpoint was made",
            examples=["2026-11-21T03:00:00Z"],
        ),
    ] = None
    event: Annotated[Text | None, Field(description="this event alone, evt_…")] = None
    endpoint: Annotated[Text | None, Field(description="to this endpoint alone, end_…")] = None


class ReplayIn(Strict):
    """What is to be told again."""

    filter: ReplayFilter
    dry_run: Annotated[StrictBool, Field(description="say what would be told to whom, and change nothing")] = False


class ShownFilter(Schema):
    """What was asked for, as it was said."""

    types: list[str]
    order: OrderNumber | None
    status: Standing | None
    created_from: Moment | None
    created_before: Moment | None
    undelivered_since: Moment | None
    event: EventId | None
    endpoint: EndpointId | None


class Share(Schema):
    """What one endpoint would hear."""

    endpoint: EndpointId
    host: Annotated[str, Field(description="of the endpoint's address", examples=["shop.example"])]
    deliveries: Annotated[int, Field(examples=[12])]
    held: Held


class PlanOut(Schema):
    """What a replay would do: how many events, and how many deliveries to whom."""

    object: Literal["replay_plan"]
    livemode: bool
    events: Annotated[int, Field(examples=[12])]
    deliveries: Annotated[int, Field(examples=[12])]
    shares: list[Share]


class ReplayOut(Schema):
    """A replay and how far it is. A later replay takes over what it tells again: that counts there (`overtaken`)."""

    object: Literal["replay"]
    id: ReplayId
    livemode: bool
    filter: ShownFilter
    state: Annotated[State, Field(description="finished: everything was made due", examples=["running"])]
    expected: Annotated[int, Field(description="deliveries that were counted when it was asked for", examples=[12])]
    made: Annotated[int, Field(description="made due so far", examples=[12])]
    delivered: Annotated[int, Field(examples=[11])]
    given_up: Annotated[int, Field(examples=[0])]
    undelivered: Annotated[int, Field(description="still owed", examples=[1])]
    untried: Annotated[int, Field(description="of these, not tried yet though the endpoint listens", examples=[1])]
    overtaken: Annotated[int, Field(examples=[0])]
    created_at: Moment
    ended_at: Moment | None


class ReplaysWished(PageOf):
    """Which replays are meant."""

    state: State | None = None


@router.post(
    "",
    response={200: PlanOut, 202: ReplayOut},
    auth=needs("deliveries:write"),
    operation_id="createReplay",
    summary="Tell events again",
)
@idempotent
def create(request: HttpRequest, payload: ReplayIn) -> Status[dict[str, Any]]:
    """Tell events again: the same bytes and ids, with the header x-paywitness-replay. A worker does it, bit by bit.

    With `dry_run` the answer is 200 and the plan; else it is 202 and the replay, whose progress can be read.
    """
    caller, at = caller_of(request), datetime.now(UTC)
    route = caller.route
    with inside(route.schema):
        wish = read_wish(route, payload.filter, at=at)
        if payload.dry_run:
            return Status(200, show_plan(route, plan_replay(route, wish, at=at)))
        replay = begin_replay(route, wish, actor=caller.actor, at=at)
        return Status(202, show(route, *read_progress([replay])))


@router.get(
    "", response=ListOf[ReplayOut], auth=needs("events:read"), operation_id="listReplays", summary="List replays"
)
def find(request: HttpRequest, wish: Query[ReplaysWished]) -> dict[str, Any]:
    """List replays, newest first: those of keys, members and retries."""
    route = caller_of(request).route
    with inside(route.schema):
        rows = Replay.objects.filter(mode=route.mode)
        shown, cursor = read_page(request, rows.filter(state=wish.state) if wish.state else rows, wish)
        return show_list(read_progress(shown), cursor, lambda progress: show(route, progress))


@router.get(
    "/{replay_id}", response=ReplayOut, auth=needs("events:read"), operation_id="getReplay", summary="Read a replay"
)
def get(request: HttpRequest, replay_id: Annotated[Text, Path()]) -> dict[str, Any]:
    """Return a replay and how far it is."""
    route = caller_of(request).route
    with inside(route.schema):
        return show(route, *read_progress([find_replay(route, replay_id)]))


@router.post(
    "/{replay_id}/cancel",
    response={200: ReplayOut},
    auth=needs("deliveries:write"),
    operation_id="cancelReplay",
    summary="Stop a replay",
)
@idempotent
def cancel(request: HttpRequest, replay_id: Annotated[Text, Path()]) -> dict[str, Any]:
    """Make nothing more due, and drop what had ended before. What was owed before the replay stays owed."""
    caller = caller_of(request)
    route = caller.route
    with inside(route.schema):
        replay = find_replay(route, replay_id)
        try:
            replay = cancel_replay(route, replay.id, actor=caller.actor, at=datetime.now(UTC))
        except NothingToCancel as error:
            detail = _("Nothing of this replay is left to stop: everything was sent, or it was stopped before.")
            raise Problem(409, "nothing_to_cancel", detail) from error
        return show(route, *read_progress([replay]))


def find_replay(route: Route, replay_id: str) -> Replay:
    """Return a replay; raise Problem. Stand inside the schema, here and below."""
    absent = Problem(404, "replay_not_found", _("There is no such replay in this mode."))
    id_ = read_id(replay_id, prefix="rep", missing=absent)
    replay = Replay.objects.filter(mode=route.mode, id=id_).first()
    if replay is None:
        raise absent
    return replay


def read_wish(route: Route, said: ReplayFilter, *, at: datetime) -> Wish:
    """Return what is wished, with its names known here; raise Problem."""
    since = said.undelivered_since or said.created_from
    if said.undelivered_since and (said.created_from or said.status):
        raise bad_filter(
            "undelivered_since", _("it says since when and how they stand; leave created_from and status out")
        )
    if since and since > at:
        which = "undelivered_since" if said.undelivered_since else "created_from"
        raise bad_filter(which, _("this moment has not come yet"))
    if since and said.created_before and since >= said.created_before:
        raise bad_filter("created_before", _("give a moment after the beginning"))
    wish = Wish(
        event=find_event(route, said.event),
        types=tuple(check_type(type_, field=f"filter.types.{place}") for place, type_ in enumerate(said.types)),
        order=find_order(route, said.order),
        status=said.status,
        since=_bounded(since),
        until=_bounded(said.created_before),
        undelivered=said.undelivered_since is not None,
        endpoint=find_endpoint(route, said.endpoint),
    )
    if wish.is_boundless:
        detail = _("filter: say what is to be told again; without anything said it would be everything to everybody.")
        raise Problem(422, "invalid_field", detail, field="filter")
    return wish


def find_event(route: Route, event_id: str | None) -> UUID | None:
    """Return the event that is named; raise Problem."""
    if event_id is None:
        return None
    id_ = read_id(event_id, prefix="evt", missing=no_id("filter.event", "evt"))
    type_ = Event.objects.filter(mode=route.mode, id=id_).values_list("type", flat=True).first()
    if type_ is None:
        raise Problem(404, "event_not_found", _("There is no such event in this mode."), field="filter.event")
    if type_ == EventType.PING:
        raise bad_filter("event", _("it is a ping, which is never told again; send a new one"))
    return id_


def find_order(route: Route, number: str | None) -> str:
    """Return the order's number if it is known; raise Problem."""
    if number is None:
        return ""
    if not Order.objects.filter(mode=route.mode, merchant_uid=number).exists():
        raise Problem(404, "order_not_found", _("There is no such order in this mode."), field="filter.order")
    return number


def find_endpoint(route: Route, endpoint_id: str | None) -> UUID | None:
    """Return the endpoint that is named; raise Problem."""
    if endpoint_id is None:
        return None
    id_ = read_id(endpoint_id, prefix="end", missing=no_id("filter.endpoint", "end"))
    if not Endpoint.objects.filter(mode=route.mode, id=id_).exists():
        detail = _("There is no such endpoint in this mode.")
        raise Problem(404, "endpoint_not_found", detail, field="filter.endpoint")
    return id_


def bad_filter(name: str, fault: object) -> Problem:
    return Problem(422, "invalid_field", f"filter.{name}: {fault}.", field=f"filter.{name}")


def _bounded(moment: datetime | None) -> datetime | None:
    """Return a moment that has a year in UTC, too."""
    return min(max(moment, EARLIEST), LATEST).astimezone(UTC) if moment else None


def show_plan(route: Route, plan: Plan) -> dict[str, Any]:
    return {
        "object": "replay_plan",
        "livemode": route.livemode,
        "events": plan.events,
        "deliveries": plan.deliveries,
        "shares": [
            {
                "endpoint": encode("end", share.endpoint.id),
                "host": host_of(share.endpoint.url),
                "deliveries": share.deliveries,
                "held": share.held or None,
            }
            for share in plan.shares
        ],
    }


def show(route: Route, progress: Progress) -> dict[str, Any]:
    replay = progress.replay
    return {
        "object": "replay",
        "id": encode("rep", replay.id),
        "livemode": route.livemode,
        "filter": show_filter(Wish.from_json(replay.wish, endpoint=replay.endpoint_id)),
        "state": replay.state,
        "expected": replay.expected,
        "made": replay.made,
        "delivered": progress.told,
        "given_up": progress.given_up,
        "undelivered": progress.owed,
        "untried": progress.untried,
        "overtaken": progress.overtaken,
        "created_at": written_time(replay.created_at),
        "ended_at": written_time(replay.ended_at),
    }


def show_filter(wish: Wish) -> dict[str, Any]:
    """Return a wish as it was said."""
    return {
        "types": list(wish.types),
        "order": wish.order or None,
        "status": wish.status,
        "created_from": None if wish.undelivered else written_time(wish.since),
        "created_before": written_time(wish.until),
        "undelivered_since": written_time(wish.since) if wish.undelivered else None,
        "event": encode("evt", wish.event) if wish.event else None,
        "endpoint": encode("end", wish.endpoint) if wish.endpoint else None,
    }
