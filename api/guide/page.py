"""The guide as a page for everyone, and where the `type` of a problem leads."""

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from api.auth import AT_ONCE, PER_SECOND
from api.guide.problems import PROBLEMS, TYPES
from api.paging import MOST
from tenants.scopes import ON_REQUEST, SCOPES


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the guide; its name is its anchor, and that of its text in each language's folder."""

    name: str
    title: Promise


CHAPTERS: Final = (
    Chapter("flow", _("The flow at a glance")),
    Chapter("start", _("From order to callback with curl")),
    Chapter("addresses", _("The three addresses")),
    Chapter("endings", _("Six ways in which a payment ends")),
    Chapter("verify", _("Verify a callback")),
    Chapter("events", _("What to do on each event")),
    Chapter("receive", _("A receiver that stands everything")),
    Chapter("retries", _("Retries, replays and headers")),
    Chapter("return", _("When the customer comes back")),
    Chapter("window", _("The payment window on a PC")),
    Chapter("try", _("Try every case")),
    Chapter("api", _("Habits of the API")),
    Chapter("problems", _("When a request is refused")),
)


@require_safe
def guide(request: HttpRequest) -> HttpResponse:
    """Show the whole guide, in the language of whoever reads it."""
    language = "en" if (get_language() or "").startswith("en") else "ko"
    facts = {
        "chapters": [(one.name, one.title, f"guide/{language}/{one.name}.html") for one in CHAPTERS],
        "site": settings.PUBLIC_URL,
        "problems": PROBLEMS,
        "scopes": [(scope, words, scope in ON_REQUEST) for scope, words in SCOPES.items()],
        "rate": {"steady": PER_SECOND, "at_once": AT_ONCE},
        "most": MOST,
    }
    return render(request, "guide/page.html", facts)


@require_safe
def problem(request: HttpRequest, type_: str) -> HttpResponse:
    """Lead from the `type` of a problem to what the guide says about it."""
    if type_ not in TYPES:
        raise Http404
    return HttpResponseRedirect(f"{reverse('guide')}#problem-{type_}")
