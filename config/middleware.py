"""What every request passes: one wide log line, headers that close doors, and no page of Django's for an error."""

import time
from collections.abc import Callable

import structlog
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from config.pages import is_page, tell

log = structlog.get_logger()
View = Callable[[HttpRequest], HttpResponse]
QUIET = ("healthz", "readyz")
CUSTOMERS = ("m/", "r/")
FORESEEN = (Http404, BadRequest, PermissionDenied, SuspiciousOperation)


def door(get_response: View) -> View:
    """Log the route's pattern, never its path or query: those hold route keys and what a browser was made to say."""

    def pass_through(request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = get_response(request)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        response.headers.setdefault("X-Frame-Options", "DENY")
        if not response.streaming:
            # Without it the server sends head and body apart, and the second waits for the client's ACK.
            response.headers.setdefault("Content-Length", str(len(response.content)))
        route = request.resolver_match.route if request.resolver_match else "unknown"
        if route not in QUIET:
            log.info(
                "request",
                method=request.method,
                route=route,
                status=response.status_code,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )
        return response

    return pass_through


class Faults:
    """Turns an unforeseen fault into a plain 500 and a log line without the request in it.

    A customer and a member get a page each; a program gets JSON.
    """

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, FORESEEN):
            return None
        route = request.resolver_match.route if request.resolver_match else "unknown"
        log.error("request_failed", route=route, exc_info=exception)
        if route.startswith(CUSTOMERS):
            return HttpResponse(render_to_string("500.html"), status=500)
        if is_page(request):
            return tell(request, 500)
        return JsonResponse({"error": "We could not do this just now. Please try again."}, status=500)
