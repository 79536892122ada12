"""What both inbound doors need: the request's bytes under a cap, its claim, and where it came from."""

from datetime import datetime
from ipaddress import ip_address
from typing import Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import Error
from django.http import Http404, HttpRequest
from django.http.request import UnreadablePostError

from results.core.claim import MAX_BYTES, Claim, read_claim
from results.receive import NotRecorded
from tenants.routing import Route, find_route

SEPARATOR: Final = b"\n"


def open_door(key: str, *, kind: str, at: datetime) -> Route:
    """Return where a route key leads; raise Http404, or NotRecorded when the database does not say."""
    try:
        route = find_route(key, kind=kind, at=at)
    except Error as error:
        raise NotRecorded(type(error).__name__) from error
    if route is None:
        raise Http404
    return route


def read_capped(request: HttpRequest) -> tuple[Claim, bytes]:
    """Return the claim and the raw bytes it was read from; the body is read up to one byte over the cap."""
    # WSGI hands bytes over as Latin-1, and an app's web view may send its Korean as it is.
    query = request.META.get("QUERY_STRING", "").encode("latin-1", "replace")
    body = read_body(request)
    content_type = request.META.get("CONTENT_TYPE", "")
    claim = read_claim(query=query.decode("utf-8", "replace"), content_type=content_type, body=body)
    return claim, query[:MAX_BYTES] + (SEPARATOR + body[:MAX_BYTES] if body else b"")


def read_body(request: HttpRequest) -> bytes:
    """Read at most one byte more than the cap, so that a long body is noticed and never held."""
    # Django takes a body that states no length (a chunked one) for empty; the server knows where it ends.
    unstated = not request.META.get("CONTENT_LENGTH") and request.META.get("wsgi.input_terminated")
    stream = request.META["wsgi.input"] if unstated else request
    try:
        return bytes(stream.read(MAX_BYTES + 1))
    except (UnreadablePostError, RequestDataTooBig, OSError):
        return b""


def source_address(request: HttpRequest) -> str | None:
    """Return the address that our own proxies saw. Recorded, never trusted: the header's front is the client's."""
    seen = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    hops = [*seen, request.META.get("REMOTE_ADDR", "")]
    address = hops[max(0, len(hops) - 1 - settings.TRUSTED_PROXY_COUNT)]
    try:
        return str(ip_address(address.partition("%")[0]))  # PostgreSQL knows no zones
    except ValueError:
        return None
