"""The merchant's colour and logo on the customer's page. Addresses name the content, so both are kept for ever.

They read and set no cookie, and say nothing of whose they are. A colour is its own address: nothing is looked up.
"""

from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from tenants.colour import style_sheet
from tenants.models import MerchantBrand
from tenants.routing import Route

HEADERS: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}


def style_address(route: Route) -> str:
    return reverse("brand_style", args=[route.brand_colour]) if route.brand_colour else ""


def logo_address(route: Route) -> str:
    return reverse("brand_logo", args=[route.brand_logo]) if route.brand_logo else ""


@require_safe
def brand_style(request: HttpRequest, colour: str) -> HttpResponse:
    """Give the customer's page a colour."""
    return HttpResponse(style_sheet(colour), content_type="text/css; charset=utf-8", headers=HEADERS)


@require_safe
def brand_logo(request: HttpRequest, digest: str) -> HttpResponse:
    """Show a logo that we have drawn; Http404 for one that nobody uses any more."""
    logo = MerchantBrand.objects.filter(logo_name=digest).values_list("logo", flat=True).first()
    if logo is None:
        raise Http404
    return HttpResponse(bytes(logo), content_type="image/webp", headers=HEADERS)
