"""Onboarding: from PortOne's keys to the first payment that is told, on one page."""

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from results.core.ids import decode, encode
from results.core.money import Money
from results.endpoints import (
    BadCallbackUrl,
    NoSuchEndpoint,
    TooManyEndpoints,
    TooManyPings,
    create_endpoint,
    normalise_callback_url,
    ping,
)
from results.models import Endpoint
from results.set_up import NotInLiveMode, enter_keys, make_test_order, note_urls_pasted, read_channels_again
from results.steps import (
    TEST_AMOUNT,
    TEST_NAME,
    Pinged,
    Watched,
    payment_channels,
    read_heard,
    read_ping,
    read_progress,
    read_setup,
    snippet_for,
    watch_payment,
    window_url,
)
from results.try_keys import KeysNotTaken, KeysTaken, Refusal
from results.views.dashboard.payment_words import State, state_of
from results.views.dashboard.settings.pages import is_confirmed
from results.views.dashboard.start_forms import CallbackForm, KeysForm
from results.views.dashboard.start_steps import checks_of, step_of, steps_of
from results.views.dashboard.start_words import answer_words, callback_refusal, refusal_words
from results.wording import in_words
from tenants.access import Place, Role, member_page
from tenants.fields import Mode
from tenants.models import Credential
from tenants.pages import draw

# How long a part of the page asks again by itself: a minute each second, then ten minutes each ten seconds.
QUICK_LOOKS: Final = 60
LOOKS: Final = 120
VERIFIER: Final = """from standardwebhooks import Webhook

event = Webhook(SIGNING_SECRET).verify(body, headers)  # the raw body; raises when forged or too old
"""


@member_page()
@require_safe
def start(request: HttpRequest, place: Place) -> HttpResponse:
    """Show the five steps: what is done folded, what is to be done open."""
    return show(request, place)


def show(request: HttpRequest, place: Place, *, status: int = 200, **facts: Any) -> HttpResponse:
    """Draw the page, with forms that were refused in place of empty ones."""
    # In this order: a test that is heard in between must not be shown as heard beside a step that waits for it.
    pinged = read_ping_of(request.GET.get("ping", ""), place)
    progress, at = read_progress(place.route), datetime.now(UTC)
    setup, is_test = progress.setup, place.route.mode == Mode.TEST
    # Whoever has seen no payment yet is led to test mode, and finds nothing to do here before.
    try_first = not is_test and not progress.done["payment"]
    current = "" if try_first else progress.current
    channels, watched = payment_channels(setup), watch_payment(place.route, setup, at=at) if is_test else None
    order = {"order": setup.test_order, "amount": TEST_AMOUNT, "name": TEST_NAME} if setup.test_order else {}
    common = {
        "here": "start",
        "progress": progress,
        "steps": steps_of(progress, current=current),
        "try_first": try_first,
        "channels": channels,
        "lacks_channel": all(channel["sandbox"] != is_test for channel in channels),
        "open": facts.get("open") or request.GET.get("open") or ("callback" if pinged else current),
        "keys_form": KeysForm(initial={"user_code": setup.user_code}),
        "callback_form": CallbackForm(),
        "pinged": pinged,
        "ping_id": encode("evt", pinged.event_id) if pinged else "",
        "mend": mend_of(pinged),
        "watched": watched,
        "payment_state": payment_state(watched),
        "payment_page": payment_page(watched, place),
        "test_snippet": snippet_for(setup, progress.addresses, **order) if order else "",
        "test_money": Money(TEST_AMOUNT, "KRW", 0),
        "window_url": window_url(progress),
        "next_look": 1,
        "look_delay": delay_of(1),
        "may_develop": place.may(Role.DEVELOPER),
        "may_administer": place.may(Role.ADMIN),
        "is_test": is_test,
        "going_live": checks_of(progress.going_live, place),
    }
    return draw(request, "dashboard/start/start.html", place, status=status, **common | facts)


def read_ping_of(text: str, place: Place) -> Pinged | None:
    event_id = decode(text, prefix="evt")
    return read_ping(place.route, event_id, whole=place.may(Role.DEVELOPER)) if event_id else None


@member_page(Role.ADMIN)
@require_POST
def start_keys(request: HttpRequest, place: Place) -> HttpResponse:
    """Try the keys that were entered against PortOne, and keep those it takes.

    Others take the place of those there are only for somebody who has confirmed who they are, as in the settings.
    """
    kept = Credential.objects.filter(merchant=place.route.merchant_id, mode=place.route.mode)
    if kept.exists() and not is_confirmed(request):
        return redirect("portone_replace", place.route.merchant_id, place.route.mode)
    form = KeysForm(request.POST)
    if form.is_valid():
        tried = enter_keys(place.route, **form.cleaned_data, actor=place.user.email, at=datetime.now(UTC))
        if isinstance(tried, KeysTaken):
            messages.success(request, _taken_words(tried))
            return to_start(place, "urls")
        field = "tier" if tried.refusal == Refusal.TIER else None
        form.add_error(field, refusal_words(tried.refusal))
    return show(request, place, status=422, keys_form=form, open="keys")


def _taken_words(tried: KeysTaken) -> str:
    if tried.channels is None:
        return _("PortOne takes the keys; they are kept sealed. Its list of channels could not be read just now.")
    return _("PortOne takes the keys; they are kept sealed.")


@member_page(Role.DEVELOPER)
@require_POST
def start_check_keys(request: HttpRequest, place: Place) -> HttpResponse:
    """Ask PortOne once more whether it takes the keys, and which channels there are."""
    tried = read_channels_again(place.route, at=datetime.now(UTC))
    if isinstance(tried, KeysNotTaken):
        messages.error(request, refusal_words(tried.refusal))
    elif tried:
        messages.success(request, _taken_words(tried))
    return to_start(place, "keys")


@member_page(Role.DEVELOPER)
@require_POST
def start_urls(request: HttpRequest, place: Place) -> HttpResponse:
    """Note that the URLs were pasted."""
    note_urls_pasted(place.route, actor=place.user.email, at=datetime.now(UTC))
    return to_start(place, "")


@member_page(Role.DEVELOPER)
@require_POST
@reauthentication_required  # type: ignore[untyped-decorator]
def start_callback(request: HttpRequest, place: Place) -> HttpResponse:
    """Make an endpoint, and show its secret this once."""
    form = CallbackForm(request.POST)
    if form.is_valid():
        try:
            url = normalise_callback_url(form.cleaned_data["url"])
            # A page that is loaded again asks again: the secret cannot be shown twice, and two endpoints hear twice.
            if Endpoint.objects.filter(mode=place.route.mode, url=url).exists():
                form.add_error("url", _("This address has an endpoint already. Its secret is changed in the settings."))
            else:
                endpoint, secret = create_endpoint(place.route, url=url, actor=place.user.email, at=datetime.now(UTC))
                facts: dict[str, Any] = {"here": "start", "endpoint": endpoint, "secret": secret.to_text()}
                facts["example"] = VERIFIER
                return draw(request, "dashboard/start/secret.html", place, **facts)
        except (BadCallbackUrl, TooManyEndpoints) as error:
            form.add_error("url", callback_refusal(error))
    return show(request, place, status=422, callback_form=form, open="callback")


@member_page(Role.DEVELOPER)
@require_POST
def start_ping(request: HttpRequest, place: Place, endpoint: UUID) -> HttpResponse:
    """Send a test to an endpoint, and go where its request and answer show."""
    try:
        event = ping(place.route, endpoint, at=datetime.now(UTC))
    except NoSuchEndpoint as error:
        raise Http404 from error
    except TooManyPings as error:
        messages.error(request, in_words(error))
        return to_start(place, "callback")
    return to_start(place, "callback", ping=encode("evt", event.id))


@member_page(Role.DEVELOPER)
@require_POST
def start_order(request: HttpRequest, place: Place) -> HttpResponse:
    """Register an order to try with."""
    try:
        make_test_order(place.route, actor=place.user.email, at=datetime.now(UTC))
    except NotInLiveMode as error:
        raise Http404 from error
    return to_start(place, "payment")


@member_page()
@require_safe
def start_pinged(request: HttpRequest, place: Place, event: UUID) -> HttpResponse:
    """Answer the page's question what became of a test; when it was heard, with all steps anew."""
    pinged = read_ping(place.route, event, whole=place.may(Role.DEVELOPER))
    if pinged is None:
        raise Http404
    facts = {"pinged": pinged, "ping_id": encode("evt", event), "mend": mend_of(pinged)}
    return look_again(request, place, "callback", "dashboard/start/_ping.html", **facts)


@member_page()
@require_safe
def start_payment(request: HttpRequest, place: Place) -> HttpResponse:
    """Answer the page's question how far the test payment has come."""
    watched = None
    if place.route.mode == Mode.TEST:
        watched = watch_payment(place.route, read_setup(place.route), at=datetime.now(UTC))
    facts = {
        "watched": watched,
        "payment_state": payment_state(watched),
        "payment_page": payment_page(watched, place),
    }
    return look_again(request, place, "payment", "dashboard/start/_payment.html", **facts)


@member_page()
@require_safe
def start_heard(request: HttpRequest, place: Place) -> HttpResponse:
    """Answer the page's question what has come in."""
    return look_again(request, place, "urls", "dashboard/start/_heard.html", heard=read_heard(place.route.mode))


def payment_state(watched: Watched | None) -> State | None:
    """Return how the watched payment stands, once PortOne was asked."""
    return state_of(watched.verified.status) if watched and watched.verified else None


def payment_page(watched: Watched | None, place: Place) -> str:
    """Return where the watched payment's whole story is told, if there is a payment yet."""
    id_ = decode(watched.payment.id, prefix="pay") if watched and watched.payment else None
    return reverse("payment", args=[place.route.merchant_id, place.route.mode, id_]) if id_ else ""


def mend_of(pinged: Pinged | None) -> str:
    """Say what to do about a test that was not heard."""
    if pinged is None or pinged.attempt is None or pinged.heard:
        return ""
    return answer_words(pinged.attempt.status, pinged.attempt.error)


def look_again(request: HttpRequest, place: Place, step: str, template: str, **facts: Any) -> HttpResponse:
    """Draw a part of a step that asks again by itself, more and more rarely, until there is nothing to wait for.

    Whoever opens it as a page is led to the page that it is a part of.
    """
    if not request.headers.get("HX-Request"):
        return to_start(place, step, **({"ping": facts["ping_id"]} if "ping_id" in facts else {}))
    given = request.GET.get("look", "")
    look = int(given) + 1 if given.isascii() and given.isdigit() and len(given) < 4 else 1
    common: dict[str, Any] = {
        "next_look": look if look <= LOOKS else 0,
        "look_delay": delay_of(look),
        "live": True,
        "step": step_of(step, "done"),
        "may_develop": place.may(Role.DEVELOPER),
    }
    return draw(request, template, place, **common | facts)


def delay_of(look: int) -> int:
    """Return the seconds before a look."""
    return 1 if look <= QUICK_LOOKS else 10


def to_start(place: Place, step: str, **query: str) -> HttpResponse:
    """Lead back to the page, with one step open."""
    address = reverse("start", args=[place.route.merchant_id, place.route.mode])
    asked = {"open": step} if step else {}
    tail = "?" + urlencode(asked | query) if asked | query else ""
    return redirect(f"{address}{tail}#{step}" if step else address)
