"""Route keys: what names the merchant in the addresses that its shop and PortOne's console have."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from ninja import Path, Query, Router, Schema, Status
from pydantic import Field

from api.auth import caller_of, needs
from api.errors import Problem
from api.idempotency import idempotent
from api.paging import PageOf, read_id, read_page, show_list
from api.schemas import ListOf, Moment, Strict, Text
from results.core.ids import encode
from results.core.result import written_time
from tenants.models import Merchant, RouteKey
from tenants.onboarding import retire_route_key, rotate_route_key
from tenants.routing import Route

router = Router(tags=["route keys"])

Kind = Literal["browser", "webhook"]
# What each kind opens, by the word for what goes there.
PATHS: Final = {
    "browser": {"redirect": "/m/{}/complete", "confirm": "/m/{}/confirm", "result": "/m/{}/result"},
    "webhook": {"webhook": "/webhook/{}"},
}
EXAMPLE_ID: Final = "rtk_01KAJ3WQ4R8ZV5N2E6D7XG9TBC"
EXAMPLE_ADDRESSES: Final = {"webhook": "https://paywitness.example/webhook/wk_0123456789abcdefghjkmnpqrs"}


class RouteKeyOut(Schema):
    """The addresses of one kind that lead to this merchant and mode."""

    object: Literal["route_key"]
    id: Annotated[str, Field(examples=[EXAMPLE_ID])]
    livemode: bool
    kind: Annotated[Kind, Field(description="`browser` is public by nature; keep the address of `webhook` to yourself")]
    addresses: Annotated[
        dict[str, str],
        Field(
            description="`redirect` is m_redirect_url, `confirm` is confirm_url, `webhook` stands in PortOne's console;"
            " `result` is asked by the script of a page that stays while PortOne's PC window is open",
            examples=[EXAMPLE_ADDRESSES],
        ),
    ]
    works_until: Annotated[Moment | None, Field(description="null: it is the current one")]
    created_at: Moment


class KeyToRotate(Strict):
    """Which addresses are to be replaced."""

    kind: Kind


@router.get(
    "",
    response=ListOf[RouteKeyOut],
    auth=needs("route_keys:read"),
    operation_id="listRouteKeys",
    summary="List addresses",
)
def find(request: HttpRequest, wish: Query[PageOf]) -> dict[str, Any]:
    """List the addresses that work now, newest first: the current ones, and old ones with how long they still do."""
    route = caller_of(request).route
    working = Q(works_until=None) | Q(works_until__gt=datetime.now(UTC))
    shown, cursor = read_page(request, keys_of(route).filter(working), wish)
    return show_list(shown, cursor, lambda key: show(route, key))


@router.post(
    "/rotate",
    response={201: RouteKeyOut},
    auth=needs("route_keys:write"),
    operation_id="rotateRouteKey",
    summary="Rotate addresses",
)
@idempotent
def rotate(request: HttpRequest, payload: KeyToRotate) -> Status[dict[str, Any]]:
    """Make new addresses of a kind. The old ones work for 180 days, because PortOne sends old payments there."""
    caller = caller_of(request)
    merchant = Merchant.objects.get(id=caller.route.merchant_id)
    key = rotate_route_key(merchant, caller.route.mode, payload.kind, actor=caller.actor, at=datetime.now(UTC))
    return Status(201, show(caller.route, key))


@router.post(
    "/{route_key_id}/retire",
    response={200: RouteKeyOut},
    auth=needs("route_keys:write"),
    operation_id="retireRouteKey",
    summary="Retire addresses",
)
@idempotent
def retire(request: HttpRequest, route_key_id: Annotated[Text, Path()]) -> dict[str, Any]:
    """Close rotated addresses at once. The current ones have to be rotated first."""
    caller, at = caller_of(request), datetime.now(UTC)
    id_ = read_id(route_key_id, prefix="rtk", missing=not_found())
    with transaction.atomic():
        key = keys_of(caller.route).select_for_update(of=("self",)).filter(id=id_).first()
        if key is None:
            raise not_found()
        if key.works_until is None:
            detail = _("These addresses are the current ones: rotate them first, so that there are others.")
            raise Problem(409, "route_key_is_current", detail)
        if key.works_until > at:
            retire_route_key(key, actor=caller.actor, at=at)
    return show(caller.route, key)


def keys_of(route: Route) -> Any:
    return RouteKey.objects.select_related("merchant").filter(merchant=route.merchant_id, mode=route.mode)


def not_found() -> Problem:
    return Problem(
        404, "route_key_not_found", _("There is no such route key in this mode; list them to see which are.")
    )


def show(route: Route, key: RouteKey) -> dict[str, Any]:
    return {
        "object": "route_key",
        "id": encode("rtk", key.id),
        "livemode": route.livemode,
        "kind": key.kind,
        "addresses": {name: settings.PUBLIC_URL + path.format(key.key) for name, path in PATHS[key.kind].items()},
        "works_until": written_time(key.works_until),
        "created_at": written_time(key.created_at),
    }
