"""PortOne asks before it approves: answer in a few milliseconds from what the merchant registered, record nothing."""

from datetime import UTC, datetime
from typing import Final

import structlog
from django.db import Error, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from results.core.classify import Expected
from results.core.confirm import Approve, Refuse, confirm, confirm_blindly
from results.core.money import Money
from results.core.words import OrderStatus
from results.receive import NotRecorded
from results.views.door import open_door, read_capped
from tenants.models import RouteKey
from tenants.routing import KEY_STILL_OPENS, Route, forget_route, twice_if_cut_off
from tenants.statements import run_hot

log = structlog.get_logger()

EXPECTED: Final = f"""
SELECT orders.expected_amount, orders.expected_currency, orders.expected_exponent, orders.expected_source,
    orders.registered_at, orders.expires_at, orders.status
FROM ({KEY_STILL_OPENS}) AS route
LEFT JOIN {{schema}}.results_order AS orders ON orders.mode = %(mode)s AND orders.merchant_uid = %(merchant_uid)s
"""  # noqa: S608  our own constants, no value among them


class KeyClosed(Exception):
    """The route key no longer opens."""


@csrf_exempt
@require_POST
def confirm_payment(request: HttpRequest, browser_key: str) -> HttpResponse:
    """Approve a payment or refuse it with a reason. An unsigned call: it is compared, and sets nothing."""
    at = datetime.now(UTC)
    try:
        route = open_door(browser_key, kind=RouteKey.Kind.BROWSER, at=at)
    except NotRecorded:
        return answer(confirm_blindly(strict=False))
    claim, _ = read_capped(request)
    try:
        expected, status = twice_if_cut_off(lambda: read_expected(route, claim.merchant_uid, at=at))
    except KeyClosed as error:
        forget_route(browser_key)
        raise Http404 from error
    except Error as error:
        connection.close()
        log.error("confirmed_blindly", error=type(error).__name__, strict=route.strict)
        return answer(confirm_blindly(strict=route.strict))
    return answer(confirm(claim.amount, expected, status, strict=route.strict, at=at))


def read_expected(
    route: Route, merchant_uid: str | None, *, at: datetime
) -> tuple[Expected | None, OrderStatus | None]:
    """Return what is expected of an order and its status, in one round trip; raises KeyClosed."""
    values = {"route_key": route.key_id, "at": at, "mode": route.mode, "merchant_uid": merchant_uid}
    row = run_hot(EXPECTED, route.schema, values, prepared=True).fetchone()
    if row is None:
        raise KeyClosed
    amount, currency, exponent, source, registered_at, expires_at, status = row
    if amount is None or registered_at is None:
        return None, None
    return Expected(Money(amount, currency, exponent), source, registered_at, expires_at), OrderStatus(status)


def answer(verdict: Approve | Refuse) -> HttpResponse:
    match verdict:
        case Approve():
            return JsonResponse({"approved": True})
        case Refuse(reason):
            return JsonResponse({"reason": reason}, status=422, json_dumps_params={"ensure_ascii": False})
