"""What both inbound doors need: the request's bytes under a cap, its claim, and where it came from."""

from ipaddress import ip_address
from typing import Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from results.core.claim import MAX_BYTES, Claim, read_claim

SEPARATOR: Final = b"\n"


def read_capped(request: HttpRequest) -> tuple[Claim, bytes]:
    """Return the claim and the raw bytes it was read from; the body is read up to one byte over the cap."""
    query = request.META.get("QUERY_STRING", "")
    body = read_body(request)
    claim = read_claim(query=query, content_type=request.META.get("CONTENT_TYPE", ""), body=body)
    raw = query.encode("utf-8", "replace")[:MAX_BYTES] + (SEPARATOR + body[:MAX_BYTES] if body else b"")
    return claim, raw


def read_body(request: HttpRequest) -> bytes:
    """Read at most one byte more than the cap, so that a long body is noticed and never held."""
    try:
        return request.read(MAX_BYTES + 1)
    except (UnreadablePostError, RequestDataTooBig, OSError):
        return b""


def source_address(request: HttpRequest) -> str | None:
    """Return the address that our own proxies saw. Recorded, never trusted: the header's front is the client's."""
    seen = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    hops = [*seen, request.META.get("REMOTE_ADDR", "")]
    address = hops[max(0, len(hops) - 1 - settings.TRUSTED_PROXY_COUNT)]
    try:
        return str(ip_address(address))
    except ValueError:
        return None
