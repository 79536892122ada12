"""The customer's browser comes back: write it down, and show a page of its own. Nothing it says decides anything."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from results.receive import Arrival, Kind, NotRecorded, new_page, record
from results.views.door import open_door, read_capped, source_address
from results.views.result_page import could_not_record, see_page
from tenants.models import RouteKey
from tenants.routing import Route, forget_route

log = structlog.get_logger()

# Whose page a customer gets while the database does not say whose customer that is.
SOME_SHOP: Final = Route(merchant_id=UUID(int=0), schema="public", mode="live", lane=UUID(int=0), vault=None)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def landing(request: HttpRequest, browser_key: str) -> HttpResponse:
    """Note that a customer came back, and send them to a page that shows what is known."""
    at = datetime.now(UTC)
    route, page = SOME_SHOP, new_page()
    try:
        route = open_door(browser_key, kind=RouteKey.Kind.BROWSER, at=at)
        claim, raw = read_capped(request)
        recorded = record(route, Arrival(Kind.LANDING, claim, raw, source_address(request), page), at=at)
    except NotRecorded as error:
        log.error("notification_not_recorded", kind="landing", error=str(error))
        return could_not_record(request, route)
    if recorded is None:
        forget_route(browser_key)
        raise Http404
    return see_page(route, page)
