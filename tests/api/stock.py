"""A merchant that has one of everything that an address of the API can name."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from results.core.ids import encode
from results.core.replay import Wish
from results.models import Delivery, Event, Replay
from results.replay import begin_replay
from tenants.models import RouteKey
from tenants.onboarding import rotate_route_key
from tenants.routing import inside
from tests.api.flow_stage import endpoint_of, publishes, snapshot
from tests.factories import Cast

ORDER = "bakery-order-1"


@dataclass(frozen=True, slots=True)
class Stock:
    """The ids, by the word that stands for each in an address of the document."""

    cast: Cast
    ids: dict[str, str]


def stock_up(cast: Cast, number: int = 1) -> Stock:
    """Let a customer pay too little for an order, and the shop be told, again and at an old address."""
    cast.expects(ORDER)
    [payment] = publishes(cast, snapshot(number, order=ORDER, amount=Decimal(1000)))
    rotate_route_key(cast.merchant, cast.mode, "webhook", actor="tests", at=datetime.now(UTC))
    old = RouteKey.objects.filter(merchant=cast.merchant, mode=cast.mode).exclude(works_until=None).latest("id")
    with inside(cast.merchant.schema_name):
        begin_replay(cast.route, Wish(order=ORDER), actor="tests", at=datetime.now(UTC))
        newest = {model: model.objects.filter(**of(model, cast)).latest("id").id for model in (Event, Delivery, Replay)}
    return Stock(
        cast,
        {
            "order_id": ORDER,
            "payment_id": payment,
            "event_id": encode("evt", newest[Event]),
            "delivery_id": encode("dlv", newest[Delivery]),
            "replay_id": encode("rep", newest[Replay]),
            "endpoint_id": endpoint_of(cast),
            "route_key_id": encode("rtk", old.id),
        },
    )


def of(model: type, cast: Cast) -> dict[str, str]:
    return {"endpoint__mode" if model is Delivery else "mode": cast.mode}
