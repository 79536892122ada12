"""Events: what you were told, byte for byte. A callback that was lost can be read here, and verified by its id."""

from typing import Annotated, Final

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from ninja import Path, Query, Router
from pydantic import Field

from api.auth import caller_of, needs
from api.errors import Problem
from api.paging import PageOf, read_id, read_page
from api.payment_shapes import EventOut
from api.schemas import ListOf, Text
from results.core.subscription import ALL, known_patterns
from results.models import Event, Order
from tenants.routing import Route, inside

router = Router(tags=["events"])

JSON: Final = "application/json"
LIST: Final = b'{"object":"list","data":[%s],"next_cursor":%s}'


class EventsWished(PageOf):
    """Which events are meant."""

    type: Annotated[
        Text | None,
        Field(description="a type, or all that begin alike", examples=["payment.paid", "payment.review.*"]),
    ] = None
    order: Annotated[Text | None, Field(description="of this order", examples=["order-1042"])] = None
    payment: Annotated[Text | None, Field(description="of this payment, pay_…")] = None


@router.get("", response=ListOf[EventOut], auth=needs("events:read"), operation_id="listEvents", summary="List events")
def find(request: HttpRequest, wish: Query[EventsWished]) -> HttpResponse:
    """List events, newest first. Each stands in `data` with the bytes that were sent."""
    route = caller_of(request).route
    with inside(route.schema):
        shown, cursor = read_page(request, find_events(route, wish), wish)
    # Put together by hand: read and written again, an event's bytes would not be those that were signed.
    listed = b",".join(bytes(event.body) for event in shown)
    behind = f'"{cursor}"'.encode() if cursor else b"null"
    return HttpResponse(LIST % (listed, behind), content_type=JSON)


@router.get(
    "/{event_id}", response=EventOut, auth=needs("events:read"), operation_id="getEvent", summary="Read an event"
)
def get(request: HttpRequest, event_id: Annotated[Text, Path()]) -> HttpResponse:
    """Return an event: exactly the bytes that were signed and sent, and nothing around them."""
    route = caller_of(request).route
    absent = Problem(404, "event_not_found", _("There is no such event in this mode."))
    id_ = read_id(event_id, prefix="evt", missing=absent)
    with inside(route.schema):
        event = Event.objects.filter(mode=route.mode, id=id_).first()
    if event is None:
        raise absent
    return HttpResponse(bytes(event.body), content_type=JSON)


def find_events(route: Route, wish: EventsWished) -> QuerySet[Event]:
    """Return the events that a filter means; raise Problem."""
    rows = Event.objects.filter(mode=route.mode)
    if wish.type is not None and wish.type != ALL:
        pattern = check_type(wish.type, field="type")
        rows = rows.filter(type__startswith=pattern[:-1]) if pattern.endswith("*") else rows.filter(type=pattern)
    if wish.order is not None:
        rows = rows.filter(order__in=Order.objects.filter(mode=route.mode, merchant_uid=wish.order))
    if wish.payment is not None:
        rows = rows.filter(payment=read_id(wish.payment, prefix="pay", missing=no_id("payment", "pay")))
    return rows


def check_type(pattern: str, *, field: str) -> str:
    """Return a type or a prefix of types that there are; raise Problem: a slip of the pen would find nothing."""
    if pattern not in known_patterns():
        detail = _("%(field)s: there is no such event; name a type such as payment.paid, or payment.review.* for all.")
        raise Problem(422, "invalid_field", detail % {"field": field}, field=field)
    return pattern


def no_id(field: str, prefix: str) -> Problem:
    """Say that a filter holds no id of the kind that it wants."""
    detail = _("%(field)s: give an id that begins with %(prefix)s_ and has 26 characters after it.")
    return Problem(422, "invalid_field", detail % {"field": field, "prefix": prefix}, field=field)
