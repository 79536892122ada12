"""PortOne calls: write it down, then say so. A 200 means that the notification and its duty are committed."""

from datetime import UTC, datetime

import structlog
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from results.core.claim import TOO_LONG, Claim
from results.receive import Arrival, Kind, NotRecorded, record
from results.views.door import open_door, read_capped, source_address
from tenants.models import RouteKey
from tenants.routing import forget_route

log = structlog.get_logger()


@csrf_exempt
@require_POST
def webhook(request: HttpRequest, webhook_key: str) -> HttpResponse:
    """Record what PortOne says about a payment; what it says is believed only after a question."""
    at = datetime.now(UTC)
    try:
        route = open_door(webhook_key, kind=RouteKey.Kind.WEBHOOK, at=at)
        claim, raw = read_capped(request)
        recorded = record(route, Arrival(Kind.WEBHOOK, claim, raw, source_address(request)), at=at)
    except NotRecorded as error:
        log.error("notification_not_recorded", kind="webhook", error=str(error))
        return JsonResponse({"error": "We could not record this. Please send it again."}, status=503)
    if recorded is None:
        forget_route(webhook_key)
        raise Http404
    return answer(claim)


def answer(claim: Claim) -> HttpResponse:
    """Say what was understood. What cannot be read is recorded all the same."""
    if TOO_LONG in claim.problems:
        return JsonResponse({"error": TOO_LONG}, status=413)
    if not claim.names_something:
        problems = claim.problems or ("imp_uid is missing; send imp_uid and merchant_uid.",)
        return JsonResponse({"error": " ".join(problems)}, status=400)
    return JsonResponse({"received": True})
