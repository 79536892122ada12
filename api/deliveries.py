"""Deliveries: one event that one endpoint is to hear, each try of it, and how to have it sent again."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from ninja import Path, Query, Router, Schema, Status
from pydantic import Field

from api.auth import caller_of, needs
from api.errors import Problem
from api.events import no_id
from api.idempotency import idempotent
from api.paging import PageOf, read_id, read_page, show_list
from api.payment_shapes import EventId
from api.schemas import ListOf, Moment, Text
from results.core.ids import encode
from results.core.masking import printable
from results.core.replay import Standing, Wish
from results.core.result import written_time
from results.core.words import EventType, hears
from results.models import Attempt, Delivery
from results.replay import begin_replay, held_because, replay_batch
from results.seek import STANDINGS, standing_of
from results.story import host_of
from tenants.models import Duty
from tenants.routing import Route, inside

router = Router(tags=["deliveries"])

PREFIX: Final = "dlv"
MOST_ATTEMPTS: Final = 50  # in one answer: a schedule of seven days has about twenty

DeliveryId = Annotated[str, Field(examples=["dlv_01KB3Z60D1E2F3G4H5J6K7M8N9"])]
EndpointId = Annotated[str, Field(examples=["end_01KB3Z60CA1B2C3D4E5F6G7H8J"])]
ReplayId = Annotated[str, Field(examples=["rep_01KB3Z60EA1B2C3D4E5F6G7H8J"])]
Held = Annotated[
    Literal["paused", "disabled", "probed"] | None,
    Field(description="why it waits: its endpoint is paused, disabled, or fails so often that it is only probed"),
]


class AttemptOut(Schema):
    """One request to the endpoint, and what it answered."""

    number: Annotated[int, Field(description="as in the header x-paywitness-attempt", examples=[1])]
    trigger: Annotated[Literal["schedule", "replay", "test"], Field(examples=["schedule"])]
    started_at: Moment
    ms: Annotated[int, Field(examples=[87])]
    status: Annotated[int | None, Field(description="null when no answer came", examples=[200])]
    error: Annotated[
        str | None,
        Field(
            description="dns, refused, timeout, tls, forbidden_target, too_large or protocol; null: an answer came",
            examples=["timeout"],
        ),
    ]
    answer: Annotated[str, Field(description="the first 16 KiB of what came back, as text")]
    truncated: Annotated[bool, Field(description="more came back than is kept")]


class DeliveryOut(Schema):
    """One event that one endpoint is to hear."""

    object: Literal["delivery"]
    id: DeliveryId
    livemode: bool
    event: EventId
    event_type: EventType
    endpoint: EndpointId
    host: Annotated[str, Field(description="of the endpoint's address", examples=["shop.example"])]
    state: Standing
    held: Held
    tries: Annotated[int, Field(description="number of the newest attempt", examples=[1])]
    created_at: Moment
    tried_at: Moment | None
    next_at: Annotated[Moment | None, Field(description="when it is tried next")]
    delivered_at: Moment | None
    given_up_at: Moment | None
    heard_at: Annotated[Moment | None, Field(description="when it was delivered for the first time")]
    replay: Annotated[ReplayId | None, Field(description="the replay or retry that began the newest round of tries")]


class DeliveryWithAttempts(DeliveryOut):
    """The same with its newest attempts, oldest first, fifty at most; `tries` numbers the newest of all."""

    attempts: list[AttemptOut]


class DeliveriesWished(PageOf):
    """Which deliveries are meant."""

    event: Annotated[Text | None, Field(description="of this event, evt_…")] = None
    endpoint: Annotated[Text | None, Field(description="to this endpoint, end_…")] = None
    state: Standing | None = None


@router.get(
    "",
    response=ListOf[DeliveryOut],
    auth=needs("events:read"),
    operation_id="listDeliveries",
    summary="List deliveries",
)
def find(request: HttpRequest, wish: Query[DeliveriesWished]) -> dict[str, Any]:
    """List deliveries, newest first. `state=undelivered` is what your endpoints have not taken yet."""
    route = caller_of(request).route
    with inside(route.schema):
        shown, cursor = read_page(request, find_deliveries(route, wish), wish)
        due = read_due(route, shown)
        return show_list(shown, cursor, lambda delivery: show(route, delivery, due))


@router.get(
    "/{delivery_id}",
    response=DeliveryWithAttempts,
    auth=needs("events:read"),
    operation_id="getDelivery",
    summary="Read a delivery and its attempts",
)
def get(request: HttpRequest, delivery_id: Annotated[Text, Path()]) -> dict[str, Any]:
    """Return a delivery with what your server answered each time."""
    route = caller_of(request).route
    with inside(route.schema):
        delivery = find_delivery(route, delivery_id)
        attempts = list(delivery.attempts.order_by("-started_at", "-id")[:MOST_ATTEMPTS])[::-1]
        shown = show(route, delivery, read_due(route, [delivery]))
    return shown | {"attempts": [show_attempt(one) for one in attempts]}


@router.post(
    "/{delivery_id}/retry",
    response={202: DeliveryOut},
    auth=needs("deliveries:write"),
    operation_id="retryDelivery",
    summary="Send a delivery again",
)
@idempotent
def retry(request: HttpRequest, delivery_id: Annotated[Text, Path()]) -> Status[dict[str, Any]]:
    """Begin a new round of tries now, also of what was delivered: the same bytes, with the header x-paywitness-replay.

    While its endpoint is paused, disabled or probed it waits for the endpoint; `held` says so.
    """
    caller, at = caller_of(request), datetime.now(UTC)
    route = caller.route
    with inside(route.schema), transaction.atomic():
        delivery = find_delivery(route, delivery_id)
        refuse_if_pointless(delivery)
        wish = Wish(event=delivery.event_id, endpoint=delivery.endpoint_id)
        replay = begin_replay(route, wish, actor=caller.actor, at=at)
        # One batch is all of it, so that the answer shows what is so; its job will find nothing left to do.
        replay_batch(route, replay.id, position=None, at=at)
        delivery = find_delivery(route, delivery_id)
        return Status(202, show(route, delivery, read_due(route, [delivery])))


def refuse_if_pointless(delivery: Delivery) -> None:
    """Raise Problem when nothing would be sent."""
    if delivery.event.type == EventType.PING:
        detail = _("A ping is never sent again: send the endpoint a new one.")
        raise Problem(409, "ping_not_repeated", detail)
    if not hears(delivery.endpoint.events, delivery.event.type):
        detail = _("The endpoint no longer listens to %(type)s: add the type to its events first.")
        raise Problem(409, "not_subscribed", detail % {"type": delivery.event.type})


def find_deliveries(route: Route, wish: DeliveriesWished) -> QuerySet[Delivery]:
    """Return the deliveries that a filter means; raise Problem."""
    rows = deliveries_of(route)
    if wish.event is not None:
        rows = rows.filter(event=read_id(wish.event, prefix="evt", missing=no_id("event", "evt")))
    if wish.endpoint is not None:
        rows = rows.filter(endpoint=read_id(wish.endpoint, prefix="end", missing=no_id("endpoint", "end")))
    return rows.filter(STANDINGS[wish.state]) if wish.state else rows


def find_delivery(route: Route, delivery_id: str) -> Delivery:
    """Return a delivery with its event and endpoint; raise Problem. Stand inside the schema, here and below."""
    absent = Problem(404, "delivery_not_found", _("There is no such delivery in this mode."))
    id_ = read_id(delivery_id, prefix=PREFIX, missing=absent)
    delivery = deliveries_of(route).filter(id=id_).first()
    if delivery is None:
        raise absent
    return delivery


def deliveries_of(route: Route) -> QuerySet[Delivery]:
    # Not the bytes, nor the sealed headers: nobody reads them here.
    rows = Delivery.objects.filter(endpoint__mode=route.mode).select_related("event", "endpoint")
    return rows.defer("event__body", "endpoint__headers")


def read_due(route: Route, deliveries: Sequence[Delivery]) -> dict[UUID, datetime]:
    """Return when those that are not told yet are tried next; one query at most."""
    owed = [one.id for one in deliveries if standing_of(one) == Standing.UNDELIVERED]
    if not owed:
        return {}
    kinds = (Duty.Kind.DELIVER, Duty.Kind.REDELIVER)
    duties = Duty.objects.filter(merchant=route.merchant_id, mode=route.mode, kind__in=kinds, reference__in=owed)
    return dict(duties.values_list("reference", "due_at"))


def show(route: Route, delivery: Delivery, due: Mapping[UUID, datetime]) -> dict[str, Any]:
    state = standing_of(delivery)
    return {
        "object": "delivery",
        "id": encode(PREFIX, delivery.id),
        "livemode": route.livemode,
        "event": encode("evt", delivery.event_id),
        "event_type": delivery.event.type,
        "endpoint": encode("end", delivery.endpoint_id),
        "host": host_of(delivery.endpoint.url),
        "state": state,
        "held": (held_because(delivery.endpoint) or None) if state == Standing.UNDELIVERED else None,
        "tries": delivery.tries,
        "created_at": written_time(delivery.created_at),
        "tried_at": written_time(delivery.tried_at),
        "next_at": written_time(due.get(delivery.id)),
        "delivered_at": written_time(delivery.delivered_at),
        "given_up_at": written_time(delivery.given_up_at),
        "heard_at": written_time(delivery.heard_at),
        "replay": encode("rep", delivery.replay_id) if delivery.replay_id else None,
    }


def show_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "trigger": attempt.trigger,
        "started_at": written_time(attempt.started_at),
        "ms": attempt.duration_ms,
        "status": attempt.status,
        "error": attempt.error or None,
        "answer": printable(bytes(attempt.body).decode("utf-8", "replace")),
        "truncated": attempt.truncated,
    }
