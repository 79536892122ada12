"""The list of a merchant's payments: find one, and take them along as a file."""

from datetime import UTC, datetime
from typing import Any, Final, cast

from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from results.views.dashboard.payment_list import (
    LONGEST_FILE,
    BadCursor,
    PaymentFilter,
    find_payments,
    is_too_long,
    read_all,
    read_page,
)
from results.views.dashboard.payment_rows import draw_rows, write_file
from tenants.access import Place, member_page
from tenants.models import AuditEntry
from tenants.pages import draw

LONGEST_NOTE: Final = 500  # characters of a filter: whoever may look may not fill the trail
WHOLE, PART = "dashboard/payments/payment_list.html", "dashboard/payments/_payments.html"


@member_page()
@require_GET
def payments(request: HttpRequest, place: Place) -> HttpResponse:
    """Show payments, newest first; for htmx the rows alone."""
    sought = PaymentFilter(request.GET)
    template = PART if is_part(request) else WHOLE
    facts: dict[str, Any] = {"here": "payments", "form": sought, "asked": asked(request)}
    if not sought.is_valid():
        return draw(request, template, place, status=422, **facts)
    found = find_payments(place.route.mode, sought.cleaned_data)
    try:
        page = read_page(place.route, found, request.GET.get("after", ""))
    except BadCursor:
        return draw(request, template, place, status=400, is_lost=True, **facts)
    facts |= {"rows": draw_rows(page), "after": page.after, "is_later": "after" in request.GET}
    return draw(request, template, place, **facts)


@member_page()
@require_GET
def payments_file(request: HttpRequest, place: Place) -> HttpResponse:
    """Send everything that the filter means as CSV, a few hundred lines in memory at a time."""
    sought = PaymentFilter(request.GET)
    if not sought.is_valid():
        return draw(request, WHOLE, place, status=422, here="payments", form=sought, asked=asked(request))
    at = datetime.now(UTC)
    found = find_payments(place.route.mode, sought.cleaned_data)
    if is_too_long(found):
        facts = {"here": "payments", "form": sought, "asked": asked(request), "longest": LONGEST_FILE}
        return draw(request, WHOLE, place, status=422, **facts)
    note(place, "payments.exported", detail={"filter": asked(request)[:LONGEST_NOTE]}, at=at)
    response = StreamingHttpResponse(write_file(read_all(place.route, found)), content_type="text/csv; charset=utf-8")
    name = f"payments-{place.route.mode}-{at:%Y%m%d-%H%M}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    patch_vary_headers(response, ("Cookie",))
    return cast("HttpResponse", response)  # both are answers; the decorators know the common kind only


def note(place: Place, action: str, *, subject: str = "", detail: dict[str, Any] | None = None, at: datetime) -> None:
    """Write down what a member did."""
    AuditEntry.objects.create(
        merchant_id=place.route.merchant_id,
        at=at,
        actor=place.user.email,
        action=action,
        subject=subject,
        detail={"mode": place.route.mode} | (detail or {}),
    )


def is_part(request: HttpRequest) -> bool:
    """Say whether htmx asks for the rows alone; one that goes back in its history wants the whole page."""
    headers = request.headers
    return bool(headers.get("HX-Request")) and not (
        headers.get("HX-History-Restore-Request") or "HX-Boosted" in headers
    )


def asked(request: HttpRequest) -> str:
    """Return the filter as a query, without the place in the list."""
    said: QueryDict = request.GET.copy()
    for name in [name for name, value in said.items() if not value or name not in PaymentFilter.base_fields]:
        del said[name]
    return said.urlencode()
