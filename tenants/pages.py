"""How a page for people is drawn: with who is here, where, and where else they may go."""

from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language

from tenants.access import Place, memberships_of
from tenants.models import User


def draw(request: HttpRequest, template: str, place: Place | None, *, status: int = 200, **facts: Any) -> HttpResponse:
    """Render a page or, for htmx, a part of one; `facts` are the template's own."""
    user = cast("User", request.user)
    common = {
        "place": place,
        "memberships": place.memberships if place else memberships_of(user) if user.is_authenticated else [],
        "language": get_language(),
        "languages": settings.LANGUAGES,
    }
    response = render(request, template, common | facts, status=status)
    response.headers["Vary"] = "HX-Request, Cookie, Accept-Language"
    return response
