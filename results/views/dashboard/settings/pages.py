"""What the pages of the settings have in common: who confirmed a moment ago that it is they, and a word when done."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, cast

from allauth.account.decorators import reauthentication_required
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext

from results.views.dashboard.settings.forms import Form
from tenants.access import Place
from tenants.pages import draw

View = TypeVar("View", bound=Callable[..., Any])
HERE: Final = "settings"

# Before a secret is made or shown: the request waits until it is confirmed who this is, and is then done.
confirmed = cast("Callable[[View], View]", reauthentication_required)
# For pages on which secrets are typed: who asks for one is asked who they are first.
confirmed_to_read = cast(
    "Callable[[View], View]", reauthentication_required(enabled=lambda request: request.method == "GET")
)


def now() -> datetime:
    return datetime.now(UTC)


@confirmed
def _ask(request: HttpRequest) -> None:
    """Raise ReauthenticationRequired unless it is confirmed who this is."""


def check_confirmed(request: HttpRequest, form: Form) -> bool:
    """Say whether it was confirmed a moment ago who this is; if not, say so in the form.

    allauth would keep what was typed in the session until then, unsealed: not with secrets in it.
    """
    if is_confirmed(request):
        return True
    form.add_error(
        None,
        gettext("Some minutes have passed: confirm first that it is you, in another tab. Nothing typed is lost."),
    )
    form.asks_to_confirm = True
    return False


def is_confirmed(request: HttpRequest) -> bool:
    """Say whether it was confirmed a moment ago who this is."""
    try:
        _ask(request)
    except ReauthenticationRequired:
        return False
    return True


def show(request: HttpRequest, template: str, place: Place, *, here: str = HERE, **facts: Any) -> HttpResponse:
    """Draw a page of the settings; one with a form that has faults says so to programs, too."""
    faults = [value for value in facts.values() if isinstance(value, Form) and value.errors]
    facts |= words_of(place) | {"here": here}
    return draw(request, f"dashboard/settings/{template}.html", place, status=422 if faults else 200, **facts)


def words_of(place: Place) -> dict[str, Any]:
    """Return the two words with which every address of this place begins."""
    return {"mer": place.route.merchant_id, "mode": place.route.mode}


def show_secret(request: HttpRequest, place: Place, **facts: Any) -> HttpResponse:
    """Show what was just made, this once: no page leads back to it."""
    return draw(request, "dashboard/settings/secret.html", place, here=HERE, **words_of(place), **facts)


def done(request: HttpRequest, place: Place, words: str, to: str, *args: Any) -> HttpResponse:
    """Say what was done, and lead to a page."""
    messages.success(request, words)
    return lead(place, to, *args)


def fail(request: HttpRequest, place: Place, words: str, to: str, *args: Any) -> HttpResponse:
    """Say why nothing was done, and lead to a page."""
    messages.error(request, words)
    return lead(place, to, *args)


def lead(place: Place, to: str, *args: Any) -> HttpResponse:
    return redirect(to, place.membership.merchant_id, place.route.mode, *args)
