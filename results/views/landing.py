"""The customer's browser comes back: write it down, and show a page of its own. Nothing it says decides anything."""

from datetime import UTC, datetime

import structlog
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from results.receive import Arrival, Kind, NotRecorded, new_page, record
from results.views.door import read_capped, source_address
from results.views.result_page import could_not_record, see_page
from tenants.models import RouteKey
from tenants.routing import find_route, forget_route

log = structlog.get_logger()


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def landing(request: HttpRequest, browser_key: str) -> HttpResponse:
    """Note that a customer came back, and send them to a page that shows what is known."""
    at = datetime.now(UTC)
    route = find_route(browser_key, kind=RouteKey.Kind.BROWSER, at=at)
    if route is None:
        raise Http404
    claim, raw = read_capped(request)
    page = new_page()
    try:
        recorded = record(route, Arrival(Kind.LANDING, claim, raw, source_address(request), page), at=at)
    except NotRecorded as error:
        log.error("notification_not_recorded", kind="landing", error=str(error))
        return could_not_record(request, route)
    if recorded is None:
        forget_route(browser_key)
        raise Http404
    return see_page(route, page)
