"""Orders: what the merchant's server expects to be paid, said before the payment window opens.

Registering is idempotent by the order's own number, and a checkout need not wait for it: what was paid before is judged
again. Amounts are whole minor units with their currency, as in the events.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from django.conf import settings
from django.http import HttpRequest
from ninja import Path, Router, Schema
from pydantic import AwareDatetime, ConfigDict, Field, StrictInt, field_validator

from api.errors import Problem
from results.core.claim import MERCHANT_UID_LENGTH, UNPRINTABLE, is_askable
from results.core.classify import Expected
from results.core.money import MAX_MINOR, Money, exponent_of
from results.core.result import written_time
from results.core.return_url import BadReturnUrl, matches, normalise_return_url
from results.expect import expected_of, price_of
from results.models import Order
from results.publish import PriceIsSettled, register_order
from tenants.routing import Route, inside

router = Router(tags=["orders"])

MOST_METADATA: Final = 20
LONGEST_METADATA: Final = 200

OrderId = Annotated[str, Field(min_length=1, max_length=MERCHANT_UID_LENGTH)]


class OrderIn(Schema):
    """What is expected. Fields that we do not know are refused by name."""

    model_config = ConfigDict(extra="forbid")

    amount: Annotated[StrictInt, Field(gt=0, le=MAX_MINOR, description="minor units: 64900 is ₩64,900")]
    currency: str = "KRW"
    expires_at: AwareDatetime | None = None
    name: Annotated[str, Field(max_length=80)] = ""
    return_url: str | None = None
    metadata: Annotated[dict[str, str], Field(default_factory=dict)]

    @field_validator("currency")
    @classmethod
    def is_known(cls, currency: str) -> str:
        if exponent_of(currency) is None:
            raise ValueError("give an ISO 4217 code in capitals, such as KRW")
        return currency

    @field_validator("metadata")
    @classmethod
    def is_small(cls, metadata: dict[str, str]) -> dict[str, str]:
        parts = [part for pair in metadata.items() for part in pair]
        if len(metadata) > MOST_METADATA or any(len(part) > LONGEST_METADATA for part in parts):
            raise ValueError(f"give at most {MOST_METADATA} pairs of at most {LONGEST_METADATA} characters")
        if any("\x00" in part for part in parts):
            raise ValueError("leave out NUL characters")
        return metadata


class NewOrder(OrderIn):
    """The same with the order's own number in the body."""

    id: OrderId


@router.post("")
def create(request: HttpRequest, payload: NewOrder) -> dict[str, Any]:
    """Register an order by its number (`merchant_uid`); the same again changes nothing."""
    return register(route_of(request), payload.id, payload)


@router.put("/{order_id}")
def put(request: HttpRequest, order_id: Annotated[str, Path()], payload: OrderIn) -> dict[str, Any]:
    """Register an order, or change it while it is unpaid."""
    return register(route_of(request), order_id, payload)


@router.get("/{order_id}")
def get(request: HttpRequest, order_id: Annotated[str, Path()]) -> dict[str, Any]:
    """Return an order and what became of it."""
    route = route_of(request)
    with inside(route.schema):
        order = Order.objects.filter(mode=route.mode, merchant_uid=order_id).first()
        if order is None:
            raise Problem(404, "order_not_found", "There is no such order in this mode; register it with PUT.")
        newest = order.payments.exclude(snapshot=None).order_by("-first_seen_at").first()
        return show(route, order, price_of(route, order, newest))


def route_of(request: HttpRequest) -> Route:
    """Return whose key this is."""
    route: Route = request.auth  # type: ignore[attr-defined]
    return route


def register(route: Route, order_id: str, payload: OrderIn) -> dict[str, Any]:
    money = Money(payload.amount, payload.currency, exponent_of(payload.currency) or 0)
    try:
        with inside(route.schema):
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
        raise Problem(409, "order_already_paid", f"amount: {error}.", field="amount") from error
    return show(route, order, expected_of(order))


def check_id(order_id: str) -> str:
    """Return the order's number if PortOne can hold it and be asked about it."""
    if len(order_id) > MERCHANT_UID_LENGTH or UNPRINTABLE.search(order_id) or not is_askable(order_id):
        detail = f"id: give 1 to {MERCHANT_UID_LENGTH} printable characters without a slash, as in merchant_uid."
        raise Problem(422, "invalid_field", detail, field="id")
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
        detail = "return_url: this address is not registered; register it first, or leave the field out."
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
