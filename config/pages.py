"""What pages for people need beside the view: sessions, language, CSRF, strict headers. No other path meets any of it.

PortOne's webhooks, the customer's page and the API read and set no cookie, and pay for none of this.
"""

from collections.abc import Callable
from threading import Lock
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from allauth.usersessions.middleware import UserSessionsMiddleware
from cachetools import TTLCache
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import defaults
from django.views.i18n import set_language
from django_htmx.middleware import HtmxMiddleware

View = Callable[[HttpRequest], HttpResponse]

PAGES: Final = ("/dashboard/", "/accounts/", "/staff/", "/language/", "/guide/", "/problems/")
CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self';"
    " font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}


def is_page(request: HttpRequest) -> bool:
    return request.path_info.startswith(PAGES)


def apart(get_response: View) -> View:
    """Show people's pages on our own host alone, never on that of customers' pages: no cookie begins there."""

    def pass_through(request: HttpRequest) -> HttpResponse:
        ours, customers = (as_browsers_see(urlsplit(url).netloc) for url in (settings.PUBLIC_URL, settings.RESULT_URL))
        if ours != customers and as_browsers_see(request.get_host()) == customers:
            return tell(request, 404)
        return get_response(request)

    return pass_through


def as_browsers_see(host: str) -> str:
    """Return a host as cookies and origins mean it: small, without the last dot and without the usual port."""
    name, _colon, port = host.lower().partition(":") if "]" not in host else (host.lower(), "", "")
    return name.rstrip(".") + ("" if port in ("", "80", "443") else f":{port}")


def doors(get_response: View) -> View:
    """Close what a page leaves open, unless its view said otherwise."""

    def pass_through(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return pass_through


class Activity(UserSessionsMiddleware):
    """Notes that a session is in use, once a minute in each process: what its list shows is read by people."""

    lock: ClassVar = Lock()
    noted: ClassVar[TTLCache[str, bool]] = TTLCache(10_000, 60)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        key = request.session.session_key
        with self.lock:
            if key and key in self.noted:
                return self.get_response(request)
        response: HttpResponse = super().__call__(request)
        if key:
            with self.lock:
                self.noted[key] = True
        return response


CHAIN: Final[tuple[Callable[[View], Any], ...]] = (
    apart,
    SessionMiddleware,
    LocaleMiddleware,
    CsrfViewMiddleware,
    AuthenticationMiddleware,
    MessageMiddleware,
    HtmxMiddleware,
    doors,
    Activity,
)


class People:
    """All that a page needs, behind one question: every other request passes after a look at its path."""

    def __init__(self, get_response: View) -> None:
        self.get_response = self.chain = get_response
        self.parts: list[Any] = []
        for middleware in reversed(CHAIN):
            self.chain = middleware(self.chain)
            self.parts.insert(0, self.chain)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.chain(request) if is_page(request) else self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        """Ask those that look at a page's view before it runs."""
        if not is_page(request):
            return None
        looks = (part.process_view for part in self.parts if hasattr(part, "process_view"))
        return next((answer for look in looks if (answer := look(request, *view))), None)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that a form came from elsewhere or from long ago, and how to go on."""
    return render(request, "403_form.html", status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that a request could not be read: on a page in its family, elsewhere as a customer is told."""
    return tell(request, 400) if is_page(request) else defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that a member's role is too low."""
    return tell(request, 403) if is_page(request) else defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that nothing is here, which is also what a stranger to a merchant is told."""
    return tell(request, 404) if is_page(request) else defaults.page_not_found(request, exception)


def is_ours(url: str | None) -> bool:
    """Say whether an address is a page of ours. Any Host header is served here, so none of them makes one ours."""
    host = urlsplit(settings.PUBLIC_URL).netloc
    return url_has_allowed_host_and_scheme(url, allowed_hosts={host}, require_https=settings.SECURE_COOKIES)


def choose_language(request: HttpRequest) -> HttpResponse:
    """Keep the language that was chosen, and lead back to where that was."""
    response = set_language(request)
    if response.has_header("Location") and not is_ours(response.headers["Location"]):
        response.headers["Location"] = settings.LOGIN_REDIRECT_URL
    return response


def too_many(request: HttpRequest) -> HttpResponse:
    """Say that a limit of attempts is reached, and how long to wait: every limit that ends here is one of a minute."""
    response = render(request, "429.html", status=429)
    response.headers["Retry-After"] = "60"
    return response


def tell(request: HttpRequest, status: int) -> HttpResponse:
    """Draw the page of an error for a person, in their language, without asking the database for anything."""
    return HttpResponse(render_to_string(f"people/{status}.html"), status=status)
