"""PortOne asks before it approves: answer in a few milliseconds from what the merchant registered or signed.

Nothing is recorded and PortOne is not asked. What claims or earlier landings said sets no price here.
"""

from datetime import UTC, datetime
from typing import Final

import structlog
from django.db import Error, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from results.core.claim import Claim
from results.core.classify import Expected
from results.core.confirm import Approve, Refuse, confirm, confirm_blindly
from results.core.expectation import Source
from results.core.money import Money
from results.core.order_token import valid_for
from results.core.words import OrderStatus
from results.expect import OrderKeys, read_signed
from results.receive import NotRecorded
from results.views.door import open_door, read_capped
from tenants.encryption import SealingError
from tenants.models import RouteKey
from tenants.routing import KEY_STILL_OPENS, Route, forget_route, last_known_route, twice_if_cut_off
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
    at, route = datetime.now(UTC), None
    try:
        route = open_door(browser_key, kind=RouteKey.Kind.BROWSER, at=at)
        claim, _ = read_capped(request)
        return answer(twice_if_cut_off(lambda: decide(route, claim, at=at)))
    except KeyClosed as error:
        forget_route(browser_key)
        raise Http404 from error
    except (Error, NotRecorded, SealingError) as error:
        connection.close()
        return answer(decide_blindly(route or last_known_route(browser_key, kind=RouteKey.Kind.BROWSER), error))


def decide(route: Route, claim: Claim, *, at: datetime) -> Approve | Refuse:
    """Compare what PortOne is about to approve with what is expected; raises KeyClosed."""
    expected, status = read_expected(route, claim.merchant_uid, at=at)
    if expected is None and claim.order_token:
        expected = read_token(route, claim, at=at)
    return confirm(claim.amount, expected, status, closed=route.confirm_closed, at=at)


def decide_blindly(route: Route | None, error: Exception) -> Approve | Refuse:
    """Answer by the policy that this process knows; open, as every shop begins, when it knows none."""
    closed = route is not None and route.confirm_closed
    log.error("confirmed_blindly", error=type(error).__name__, closed=closed, known=route is not None)
    return confirm_blindly(closed=closed)


def read_expected(
    route: Route, merchant_uid: str | None, *, at: datetime
) -> tuple[Expected | None, OrderStatus | None]:
    """Return what is registered of an order and its status, in one round trip; raises KeyClosed."""
    values = {"route_key": route.key_id, "at": at, "mode": route.mode, "merchant_uid": merchant_uid}
    row = run_hot(EXPECTED, route.schema, values, prepared=True).fetchone()
    if row is None:
        raise KeyClosed
    amount, currency, exponent, source, registered_at, expires_at, status = row
    known = OrderStatus(status) if status else None
    if amount is None or registered_at is None:
        return None, known
    return Expected(Money(amount, currency, exponent), source, registered_at, expires_at), known


def read_token(route: Route, claim: Claim, *, at: datetime) -> Expected | None:
    """Return what the merchant's server signed for this order, if that still holds."""
    token = read_signed(route, claim.order_token or "", OrderKeys(route).at(at))
    if token is None or token.order != claim.merchant_uid or not valid_for(token, at):
        return None
    return Expected(token.money, Source.ORDER_TOKEN, at)


def answer(verdict: Approve | Refuse) -> HttpResponse:
    match verdict:
        case Approve():
            return JsonResponse({"approved": True})
        case Refuse(reason):
            return JsonResponse({"reason": reason}, status=422, json_dumps_params={"ensure_ascii": False})
