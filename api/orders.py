"""Orders: what the merchant's server expects to be paid, said before the payment window opens.

Registering is idempotent by the order's own number, and a checkout need not wait for it: what was paid before is judged
again. Amounts are whole minor units with their currency, as in the events.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from ninja import Path, Query, Router, Schema
from pydantic import Field, StrictInt, field_validator

from api.auth import caller_of, needs
from api.errors import Problem
from api.idempotency import idempotent
from api.matching import check_match, tagged
from api.paging import PageOf, read_page, show_list
from api.schemas import Instant, ListOf, Moment, Strict, Text
from results.core.claim import MERCHANT_UID_LENGTH, UNPRINTABLE, is_askable
from results.core.classify import Expected
from results.core.money import MAX_MINOR, Money, exponent_of
from results.core.result import written_time
from results.core.return_url import BadReturnUrl, matches, normalise_return_url
from results.core.words import Flag, OrderStatus
from results.expect import expected_of, price_of
from results.models import Order
from results.publish import PriceIsSettled, register_order
from tenants.routing import Route, inside

router = Router(tags=["orders"])

MOST_METADATA: Final = 20
LONGEST_METADATA: Final = 200

OrderId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MERCHANT_UID_LENGTH,
        description="the order's own number, its merchant_uid",
        examples=["order-1042"],
    ),
]
Amount = Annotated[StrictInt, Field(gt=0, le=MAX_MINOR, description="minor units: 64900 is ₩64,900", examples=[64900])]


class OrderParts(Strict):
    """What may be said of an order."""

    expires_at: Annotated[Instant | None, Field(description="whoever begins to pay later is reviewed")] = None
    name: Annotated[str, Field(max_length=80, description="what is bought, for people", examples=["식빵 두 개"])] = ""
    return_url: Annotated[str | None, Field(description="one of the registered ones; null: the first")] = None
    metadata: Annotated[dict[str, str], Field(default_factory=dict, description="yours; we keep it")]

    @field_validator("metadata", check_fields=False)
    @classmethod
    def is_small(cls, metadata: dict[str, str] | None) -> dict[str, str] | None:
        parts = [part for pair in (metadata or {}).items() for part in pair]
        if len(parts) > 2 * MOST_METADATA or any(len(part) > LONGEST_METADATA for part in parts):
            raise ValueError(f"give at most {MOST_METADATA} pairs of at most {LONGEST_METADATA} characters")
        if any("\x00" in part for part in parts):
            raise ValueError("leave out NUL characters")
        return metadata

    @field_validator("currency", check_fields=False)
    @classmethod
    def is_known(cls, currency: str | None) -> str | None:
        if currency is not None and exponent_of(currency) is None:
            raise ValueError("give an ISO 4217 code in capitals, such as KRW")
        return currency


class OrderIn(OrderParts):
    """What is expected."""

    amount: Amount
    currency: Annotated[str, Field(description="ISO 4217", examples=["KRW"])] = "KRW"


class NewOrder(OrderIn):
    """The same with the order's own number in the body."""

    id: OrderId


class OrderChange(OrderParts):
    """What is to change; what is left out stays."""

    amount: Amount | None = None
    currency: str | None = None
    name: Annotated[str | None, Field(max_length=80)] = None  # type: ignore[assignment]
    metadata: dict[str, str] | None = None  # type: ignore[assignment]


class Expectation(Schema):
    """What an order costs, and who said so."""

    amount: int
    currency: str
    exponent: int
    source: str
    registered_at: Moment


class OrderOut(Schema):
    """An order and what became of it, in the words of the events."""

    object: Literal["order"]
    id: str
    livemode: bool
    status: OrderStatus
    flags: list[Flag]
    expected: Expectation | None
    expires_at: Moment | None
    name: str
    return_url: str | None
    metadata: dict[str, str]
    created_at: Moment


class OrdersWished(PageOf):
    """Which orders are meant."""

    status: OrderStatus | None = None


@router.post(
    "", response={200: OrderOut}, auth=needs("orders:write"), operation_id="createOrder", summary="Register an order"
)
@idempotent
def create(request: HttpRequest, payload: NewOrder) -> dict[str, Any]:
    """Register an order by its number (`merchant_uid`); the same again changes nothing."""
    return register(request, payload.id, payload)


@router.get("", response=ListOf[OrderOut], auth=needs("orders:read"), operation_id="listOrders", summary="List orders")
def find(request: HttpRequest, wish: Query[OrdersWished]) -> dict[str, Any]:
    """List orders, newest first."""
    route = caller_of(request).route
    with inside(route.schema):
        rows = Order.objects.filter(mode=route.mode)
        shown, cursor = read_page(request, rows.filter(status=wish.status) if wish.status else rows, wish)
        return show_list(shown, cursor, lambda order: show(route, order, expected_of(order)))


@router.put(
    "/{order_id}",
    response=OrderOut,
    auth=needs("orders:write"),
    operation_id="putOrder",
    summary="Register or replace an order",
)
def put(request: HttpRequest, order_id: Annotated[Text, Path()], payload: OrderIn) -> dict[str, Any]:
    """Register an order, or say anew all that is expected while it is unpaid."""
    return register(request, order_id, payload)


@router.patch(
    "/{order_id}", response=OrderOut, auth=needs("orders:write"), operation_id="updateOrder", summary="Change an order"
)
def change(request: HttpRequest, order_id: Annotated[Text, Path()], payload: OrderChange) -> dict[str, Any]:
    """Change some of what is expected, while the order is unpaid."""
    route = caller_of(request).route
    with inside(route.schema), transaction.atomic():
        order = lock(route, order_id)
        known = expected_of(order)
        if known is None and payload.amount is None:
            detail = _("amount: nothing is registered of this order yet; say what it costs.")
            raise Problem(422, "invalid_field", detail, field="amount")
        now = {
            "amount": known.money.amount if known else None,
            "currency": known.money.currency if known else "KRW",
            "expires_at": order.expires_at,
            "name": order.name,
            "return_url": order.return_url or None,
            "metadata": order.metadata,
        }
        said = payload.dict(exclude_unset=True)
        emptied = ("expires_at", "return_url")  # null means none; of the others it means that nothing is said
        kept = {name: value for name, value in said.items() if value is not None or name in emptied}
        return register(request, order_id, OrderIn(**now | kept), locked=order)


@router.post(
    "/{order_id}/expire",
    response={200: OrderOut},
    auth=needs("orders:write"),
    operation_id="expireOrder",
    summary="Expire an order",
)
@idempotent
def expire(request: HttpRequest, order_id: Annotated[Text, Path()]) -> dict[str, Any]:
    """Let nobody begin to pay any more: whoever does is reviewed. What was begun before counts."""
    route, at = caller_of(request).route, datetime.now(UTC)
    with inside(route.schema), transaction.atomic():
        order = lock(route, order_id)
        if order.payments.filter(money_moved=True).exists():
            raise Problem(409, "order_already_paid", _("The order has been paid, so it cannot expire."))
        if order.expires_at is None or order.expires_at > at:
            order.expires_at = at
            order.save(update_fields=["expires_at"])
        return tagged(request, show(route, order, expected_of(order)))


@router.get(
    "/{order_id}", response=OrderOut, auth=needs("orders:read"), operation_id="getOrder", summary="Read an order"
)
def get(request: HttpRequest, order_id: Annotated[Text, Path()]) -> dict[str, Any]:
    """Return an order and what became of it."""
    route = caller_of(request).route
    with inside(route.schema):
        order = Order.objects.filter(mode=route.mode, merchant_uid=order_id).first()
        if order is None:
            raise not_found()
        newest = order.payments.exclude(snapshot=None).order_by("-first_seen_at").first()
        return tagged(request, show(route, order, price_of(route, order, newest)))


def not_found() -> Problem:
    return Problem(404, "order_not_found", _("There is no such order in this mode; register it with PUT."))


def lock(route: Route, order_id: str) -> Order:
    """Return the order's row, locked; stand inside the schema, in a transaction."""
    order = Order.objects.select_for_update().filter(mode=route.mode, merchant_uid=order_id).first()
    if order is None:
        raise not_found()
    return order


def register(request: HttpRequest, order_id: str, payload: OrderIn, *, locked: Order | None = None) -> dict[str, Any]:
    """Register what is said, if the caller changes what they saw."""
    route = caller_of(request).route
    money = Money(payload.amount, payload.currency, exponent_of(payload.currency) or 0)
    try:
        with inside(route.schema), transaction.atomic():
            if "If-Match" in request.headers:
                seen = locked or lock(route, order_id)
                check_match(request, show(route, seen, expected_of(seen)))
            order = register_order(
                route,
                merchant_uid=check_id(order_id),
                money=money,
                at=datetime.now(UTC),
                expires_at=payload.expires_at,
                name=UNPRINTABLE.sub("", payload.name),
                return_url=check_return_url(route, payload.return_url),
                metadata=payload.metadata,
            )
    except PriceIsSettled as error:
        detail = _("amount: the order has been paid; its amount cannot change any more.")
        raise Problem(409, "order_already_paid", detail, field="amount") from error
    return tagged(request, show(route, order, expected_of(order)))


def check_id(order_id: str) -> str:
    """Return the order's number if PortOne can hold it and be asked about it."""
    if len(order_id) > MERCHANT_UID_LENGTH or UNPRINTABLE.search(order_id) or not is_askable(order_id):
        detail = _("id: give 1 to %(most)s printable characters without a slash, as in merchant_uid.")
        raise Problem(422, "invalid_field", detail % {"most": MERCHANT_UID_LENGTH}, field="id")
    return order_id


def check_return_url(route: Route, url: str | None) -> str:
    """Return the registered return URL that is meant; it must be one of the list."""
    if url is None:
        return ""
    try:
        found = matches(normalise_return_url(url, allow_http=settings.DEVELOPMENT), route.return_urls)
    except BadReturnUrl as error:
        raise Problem(422, "invalid_field", f"return_url: {error}", field="return_url") from error
    if found is None:
        detail = _("return_url: this address is not registered; register it first, or leave the field out.")
        raise Problem(422, "invalid_field", detail, field="return_url")
    return found


def show(route: Route, order: Order, expected: Expected | None) -> dict[str, Any]:
    """Return an order in the words of the events."""
    money = expected.money if expected else None
    return {
        "object": "order",
        "id": order.merchant_uid,
        "livemode": route.livemode,
        "status": order.status,
        "flags": order.flags,
        "expected": {
            "amount": money.amount,
            "currency": money.currency,
            "exponent": money.exponent,
            "source": expected.source,
            "registered_at": written_time(expected.registered_at),
        }
        if expected and money
        else None,
        "expires_at": written_time(order.expires_at),
        "name": order.name,
        "return_url": order.return_url or None,
        "metadata": order.metadata,
        "created_at": written_time(order.created_at),
    }
