"""The shop's own page asks: on a PC, PortOne's window calls back JavaScript there and sends nobody to us.

Same door, claim, page and disclosure as a landing's; only the answers are for a program. Who may read them is a page
of an origin that the merchant registered. A browser writes that header, so it keeps other sites' pages out; whoever
writes it by hand gets what a landing gets, so nothing rests on it.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from results.core.money import Money
from results.core.page import status_for_script
from results.core.result import written_time
from results.core.return_link import sign_result
from results.core.snapshot import VirtualAccount
from results.receive import Arrival, Kind, NotRecorded, new_page, record
from results.script import SCRIPT
from results.views.door import open_door, read_capped, source_address
from results.views.opaque import encode_page
from results.views.result_page import Shown, claims_of, close_doors, look_up, new_nonce, return_key
from tenants.models import RouteKey
from tenants.routing import Route, forget_route

log = structlog.get_logger()

PREFLIGHT_SECONDS: Final = 600  # what Safari remembers at most
SCRIPT_SECONDS: Final = 86_400


@csrf_exempt
@require_http_methods(["POST", "OPTIONS"])
def claim_result(request: HttpRequest, browser_key: str) -> HttpResponse:
    """Note what PortOne's window called back, as a landing is noted, and say where its result will stand."""
    at = datetime.now(UTC)
    route: Route | None = None
    try:
        route = open_door(browser_key, kind=RouteKey.Kind.BROWSER, at=at)
        if not is_registered(request, route):
            return refuse()
        if request.method == "OPTIONS":
            return allow_ahead(request, "POST", "content-type")
        claim, raw = read_capped(request)
        page = new_page()
        recorded = record(route, Arrival(Kind.LANDING, claim, raw, source_address(request), page), at=at)
    except NotRecorded as error:
        log.error("notification_not_recorded", kind="landing", error=str(error))
        failed = JsonResponse({"error": "We could not record this. Please send it again."}, status=503)
        return allow(request, failed) if route else failed
    if recorded is None:
        forget_route(browser_key)
        raise Http404
    address = f"{settings.RESULT_URL}/r/{encode_page(route.merchant_id, page)}/result"
    return allow(request, JsonResponse({"status_url": address}, status=202))


@require_http_methods(["GET", "HEAD", "OPTIONS"])
def tell_result(request: HttpRequest, opaque: str) -> HttpResponse:
    """Tell a script what the landing's page shows, with the parameters that a return would carry, signed now."""
    at = datetime.now(UTC)
    shown = look_up(opaque, at=at)
    if not is_registered(request, shown.route):
        return refuse()
    if request.method == "OPTIONS":
        return allow_ahead(request, "GET", "if-none-match")
    tag = tag_of(shown)
    response: HttpResponse
    if request.headers.get("If-None-Match", "").removeprefix("W/") == tag:
        response = HttpResponse(status=304)
    else:
        response = JsonResponse(document_of(shown, origin=request.headers["Origin"], at=at))
    response["ETag"] = tag
    return allow(request, response)


@require_safe
def shop_script(request: HttpRequest) -> HttpResponse:
    """Serve the script to every site: its bytes are public, and an integrity hash is compared only with CORS."""
    response = HttpResponse(SCRIPT, content_type="text/javascript; charset=utf-8")
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    response["Cache-Control"] = f"public, max-age={SCRIPT_SECONDS}, immutable"
    return response


def document_of(shown: Shown, *, origin: str, at: datetime) -> dict[str, Any]:
    """Return what a script is told; amount and account stand there only if the customer's page shows them."""
    page, account = shown.page, shown.page.virtual_account
    claims = claims_of(shown)
    key = return_key(shown.route, at=at) if claims else None
    return {
        "status": status_for_script(page.state),
        "state": page.state,
        "settled": page.state.is_settled,
        "signed": sign_result(origin, claims, key=key, at=at, nonce=new_nonce()) if claims and key else None,
        "amount": describe_money(page.money) if page.money else None,
        "virtual_account": describe_account(account) if account else None,
    }


def describe_money(money: Money) -> dict[str, Any]:
    """Write an amount as events do."""
    return {"currency": money.currency, "exponent": money.exponent, "total": money.amount}


def describe_account(account: VirtualAccount) -> dict[str, Any]:
    return {
        "bank_name": account.bank_name,
        "number": account.number,
        "holder": account.holder,
        "expires_at": written_time(account.expires_at),
    }


def tag_of(shown: Shown) -> str:
    """Return what changes with what is told; not with the moment and nonce of its signature."""
    status = shown.payment.status if shown.payment and shown.page.discloses else ""
    return '"' + hashlib.sha256(f"{shown.page.state} {status}".encode()).hexdigest()[:16] + '"'


def is_registered(request: HttpRequest, route: Route) -> bool:
    """Say whether the page that asks is of an origin that the merchant registered, as spelt; `null` never is."""
    return request.headers.get("Origin") in route.origins


def refuse() -> HttpResponse:
    """Turn a page away: without a header of CORS its browser shows it nothing, not even this."""
    words = "Register this page's origin first: Paywitness, settings, return URLs and origins."
    return vary(JsonResponse({"error": words}, status=403))


def allow(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Let the page that asked, and no other, read the answer."""
    response["Access-Control-Allow-Origin"] = request.headers["Origin"]
    response["Access-Control-Expose-Headers"] = "ETag"
    return vary(response)


def allow_ahead(request: HttpRequest, method: str, header: str) -> HttpResponse:
    """Answer a preflight: never with credentials, since no door here reads a cookie."""
    response = HttpResponse(status=204)
    response["Access-Control-Allow-Methods"] = method
    response["Access-Control-Allow-Headers"] = header
    response["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    return allow(request, response)


def vary(response: HttpResponse) -> HttpResponse:
    response["Vary"] = "Origin"
    return close_doors(response)
