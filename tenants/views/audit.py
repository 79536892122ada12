"""Who changed what: the merchant's own trail."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from tenants.access import Place, member_page
from tenants.audit import WORDS, BadMark, read_detail, read_page
from tenants.pages import draw


@require_GET
@member_page()
def audit(request: HttpRequest, place: Place) -> HttpResponse:
    """Show a page of the trail, from the newest entry or from where the last page ended."""
    after = request.GET.get("after", "")
    try:
        page = read_page(place.membership.merchant, after)
    except BadMark as error:
        raise Http404("no such place in the list") from error
    rows = [(entry, WORDS.get(entry.action, ""), read_detail(entry)) for entry in page.entries]
    return draw(
        request, "dashboard/audit/entry_list.html", place, here="audit", rows=rows, older=page.older, after=after
    )
