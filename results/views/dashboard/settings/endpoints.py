"""Where the merchant hears us: its endpoints, how they are doing, and everything that can be done with one."""

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST, require_safe

from results.core.ids import encode
from results.core.signing import SigningSecret
from results.endpoints import (
    BadRotation,
    NoSuchEndpoint,
    NothingToResume,
    TooManyEndpoints,
    TooManyPings,
    change_endpoint,
    create_endpoint,
    header_names,
    pause_endpoint,
    ping,
    resume_endpoint,
    rotate_secret,
)
from results.views.dashboard.settings.events import patterns_of, ticked
from results.views.dashboard.settings.facts import (
    Shown,
    find_ping,
    latest_attempts,
    secrets_of,
    show_all,
    show_one,
)
from results.views.dashboard.settings.forms import EndpointForm, HeadersForm, NewEndpointForm, OverlapForm
from results.views.dashboard.settings.pages import (
    check_confirmed,
    confirmed,
    confirmed_to_read,
    done,
    lead,
    now,
    show,
    show_secret,
)
from results.wording import in_words
from tenants.access import Place, Role, member_page

HERE: Final = "endpoints"


def find(place: Place, endpoint: UUID) -> Shown:
    """Return one endpoint of this place, or raise Http404."""
    try:
        return show_one(place.route, endpoint)
    except NoSuchEndpoint as error:
        raise Http404 from error


@require_safe
@member_page()
def endpoint_list(request: HttpRequest, place: Place) -> HttpResponse:
    """List the endpoints of a mode."""
    return show(request, "endpoint_list", place, here=HERE, endpoints=show_all(place.route))


@member_page(Role.DEVELOPER)
@confirmed_to_read
def endpoint_new(request: HttpRequest, place: Place) -> HttpResponse:
    """Make an endpoint, and show its secret once."""
    form = NewEndpointForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and check_confirmed(request, form):
        given = form.cleaned_data | {"events": patterns_of(form.cleaned_data["events"])}
        try:
            endpoint, secret = create_endpoint(place.route, **given, actor=place.user.email, at=now())
        except TooManyEndpoints as error:
            form.add_error(None, in_words(error))
        else:
            return show_signing_secret(request, place, endpoint.id, secret)
    return show(request, "endpoint_form", place, here=HERE, form=form)


def show_signing_secret(request: HttpRequest, place: Place, endpoint: UUID, secret: SigningSecret) -> HttpResponse:
    return show_secret(
        request,
        place,
        title=gettext("The signing secret of this endpoint"),
        name="PAYWITNESS_WEBHOOK_SECRET",
        secret=secret.to_text(),
        what=gettext("Your server verifies with it that a callback comes from us. Keep it in its secret store."),
        back="endpoint",
        back_id=endpoint,
    )


@require_safe
@member_page()
def endpoint(request: HttpRequest, place: Place, endpoint: UUID) -> HttpResponse:
    """Show one endpoint: how it is doing, what it hears, who signs, and its latest attempts."""
    return show_endpoint(request, place, find(place, endpoint), OverlapForm())


def show_endpoint(request: HttpRequest, place: Place, shown: Shown, form: OverlapForm) -> HttpResponse:
    one = shown.endpoint
    return show(
        request,
        "endpoint",
        place,
        here=HERE,
        shown=shown,
        endpoint=one,
        endpoint_id=encode("end", one.id),
        headers=header_names(place.route, one),
        events=ticked(one.events),
        secrets=secrets_of(one, at=now()),
        attempts=latest_attempts(one),
        form=form,
    )


@member_page(Role.DEVELOPER)
def endpoint_change(request: HttpRequest, place: Place, endpoint: UUID) -> HttpResponse:
    """Change an endpoint's address, events or description; the owners are written to about another address."""
    one = find(place, endpoint).endpoint
    before = ticked(one.events)
    initial = {"url": one.url, "description": one.description, "events": before}
    form = EndpointForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        events = None if set(given["events"]) == set(before) else patterns_of(given["events"])
        changed = change_endpoint(
            place.route,
            endpoint,
            url=given["url"],
            description=given["description"],
            events=events,
            actor=place.user.email,
            at=now(),
        )
        if one.headers and not changed.headers:
            words = gettext("The endpoint is changed. Its fixed headers were for the other host: give them anew.")
        else:
            words = gettext("The endpoint is changed.")
        return done(request, place, words, "endpoint", endpoint)
    return show(request, "endpoint_form", place, here=HERE, form=form, endpoint=one)


@member_page(Role.DEVELOPER)
@confirmed_to_read
def endpoint_headers(request: HttpRequest, place: Place, endpoint: UUID) -> HttpResponse:
    """Give an endpoint other fixed headers in place of those it has."""
    one = find(place, endpoint).endpoint
    form = HeadersForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and check_confirmed(request, form):
        headers = form.cleaned_data["headers"]
        change_endpoint(place.route, endpoint, headers=headers, actor=place.user.email, at=now())
        return done(request, place, gettext("The fixed headers are changed."), "endpoint", endpoint)
    names = header_names(place.route, one)
    return show(request, "endpoint_headers", place, here=HERE, form=form, endpoint=one, names=names)


@require_POST
@member_page(Role.DEVELOPER)
def endpoint_pause(request: HttpRequest, place: Place, endpoint: UUID) -> HttpResponse:
    """Let an endpoint rest."""
    find(place, endpoint)
    pause_endpoint(place.route, endpoint, actor=place.user.email, at=now())
    words = gettext("The endpoint rests. What is told meanwhile is kept for it.")
    return done(request, place, words, "endpoint", endpoint)


@require_POST
@member_page(Role.DEVELOPER)
def endpoint_resume(request: HttpRequest, place: Place, endpoint: UUID) -> HttpResponse:
    """Let an endpoint hear news again, with what it missed or without."""
    find(place, endpoint)
    with_backlog = request.POST.get("backlog") != "without"
    try:
        owed = resume_endpoint(place.route, endpoint, with_backlog=with_backlog, actor=place.user.email, at=now())
    except NothingToResume:
        return done(request, place, gettext("The endpoint is at work already."), "endpoint", endpoint)
    if with_backlog and owed:
        words = ngettext(
            "The endpoint is back. %(count)d event that it missed is sent now.",
            "The endpoint is back. %(count)d events that it missed are sent now.",
            owed,
        ) % {"count": owed}
    else:
        words = gettext("The endpoint is back and hears what happens from now on.")
    return done(request, place, words, "endpoint", endpoint)


@require_POST
@member_page(Role.DEVELOPER)
@confirmed
def endpoint_rotate(request: HttpRequest, place: Place, endpoint: UUID) -> HttpResponse:
    """Give an endpoint another signing secret, and show it once."""
    shown, form = find(place, endpoint), OverlapForm(request.POST)
    if form.is_valid():
        try:
            secret = rotate_secret(place.route, endpoint, overlap=form.overlap, actor=place.user.email, at=now())
            return show_signing_secret(request, place, endpoint, secret)
        except BadRotation as error:
            form.add_error("days", in_words(error))
    return show_endpoint(request, place, shown, form)


@require_POST
@member_page(Role.DEVELOPER)
def endpoint_ping(request: HttpRequest, place: Place, endpoint: UUID) -> HttpResponse:
    """Send a test, and lead to the page on which its answer appears."""
    find(place, endpoint)
    try:
        event = ping(place.route, endpoint, at=now())
    except TooManyPings as error:
        messages.error(request, in_words(error))
        return lead(place, "endpoint", endpoint)
    return lead(place, "endpoint_pinged", endpoint, event.id)


@require_safe
@member_page()
def endpoint_pinged(request: HttpRequest, place: Place, endpoint: UUID, event: UUID) -> HttpResponse:
    """Show a test's request, and its answer as soon as there is one."""
    found = find_ping(place.route, endpoint, event)
    if found is None:
        raise Http404
    htmx: Any = getattr(request, "htmx", None)
    return show(request, "_ping" if htmx else "ping", place, here=HERE, ping=found, endpoint=found.endpoint)
