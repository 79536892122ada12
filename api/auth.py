"""Who asks, may they, and not too often? An API key opens one merchant and mode; it is compared as a digest.

One statement finds the key, notes its use and takes the request from its budget, so that a limit holds exactly however
many requests come at once, on however many processes.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from ninja.security import HttpBearer

from api.door import say
from api.errors import Problem
from tenants.models.keys import digest_of
from tenants.routing import Route, find_mode, twice_if_cut_off
from tenants.scopes import SCOPES
from tenants.statements import run_hot

PER_SECOND: Final = 100  # that a key may ask for ever
AT_ONCE: Final = 500  # that it may ask in a burst, when it has rested

# The generic cell rate algorithm: `spent_until` is the moment at which the requests so far would have been made at the
# steady rate. The database's clock alone tells the time. Not the ORM: one round trip must decide and write.
SPEND = """
UPDATE public.tenants_apikey
SET spent_until = greatest(spent_until, clock_timestamp()) + %(each)s, last_used_at = clock_timestamp()
WHERE prefix = %(prefix)s AND digest = %(digest)s AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > clock_timestamp())
  AND (spent_until IS NULL OR spent_until + %(each)s <= clock_timestamp() + %(burst)s)
RETURNING id, merchant_id, mode, name, scopes, created_at, expires_at, spent_until - clock_timestamp()
"""
# After a refusal: was it the budget? How far it reaches, if it is still used up or was a moment ago.
STILL_SPENT = """
SELECT spent_until - clock_timestamp() FROM public.tenants_apikey
WHERE prefix = %(prefix)s AND digest = %(digest)s AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > clock_timestamp()) AND spent_until IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """A merchant's server, as its key names it."""

    route: Route
    key_id: UUID
    prefix: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None

    @property
    def actor(self) -> str:
        """Return what an audit entry says of who did it."""
        return f"API key {self.prefix}"


class ApiKeyAuth(HttpBearer):
    """Bearer authentication for operations that need a scope, or any key at all; the result is a Caller."""

    def __init__(self, scope: str | None) -> None:
        super().__init__()
        if scope is not None and scope not in SCOPES:
            raise ValueError(f"there is no scope {scope}")
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        caller = twice_if_cut_off(lambda: spend(request, token))
        if caller and self.scope and self.scope not in caller.scopes:
            detail = _("This key may not do this: make one with the scope %(scope)s.") % {"scope": self.scope}
            raise Problem(403, "scope_missing", detail)
        return caller


def needs(scope: str | None) -> ApiKeyAuth:
    """Ask for a key with this scope, or for any key."""
    return ApiKeyAuth(scope)


def caller_of(request: HttpRequest) -> Caller:
    """Return who asks."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    return caller


def spend(request: HttpRequest, token: str) -> Caller | None:
    """Take a request from the budget of the key that this is; None for no key. Raises Problem when it is used up."""
    prefix, separator, secret = token.rpartition("_")
    if not separator or not secret or not token.isascii() or "\x00" in token:
        return None
    each, burst = timedelta(seconds=1 / PER_SECOND), timedelta(seconds=AT_ONCE / PER_SECOND)
    values = {"prefix": prefix, "digest": digest_of(token), "each": each, "burst": burst}
    row = run_hot(SPEND, "public", values, prepared=True).fetchone()
    if row is None:
        _refuse_if_used_up(request, values)
        return None
    key_id, merchant_id, mode, name, scopes, created_at, expires_at, spent = row
    _say_budget(request, spent, each=each)
    route = find_mode(merchant_id, mode)
    if route is None:
        return None
    return Caller(route, key_id, prefix, name, frozenset(json.loads(scopes)), created_at, expires_at)


def _refuse_if_used_up(request: HttpRequest, values: Mapping[str, Any]) -> None:
    """Raise Problem when there is such a key and its budget is used up."""
    row = run_hot(STILL_SPENT, "public", values, prepared=True).fetchone()
    if row is None:
        return
    (spent,) = row
    _say_budget(request, spent, each=values["each"])
    wait = max(1, math.ceil((spent + values["each"] - values["burst"]).total_seconds()))
    say(request, {"Retry-After": str(wait)})
    detail = _("This key has asked too often: wait %(wait)s s. It may ask %(rate)s times a second, %(most)s at once.")
    raise Problem(429, "too_many_requests", detail % {"wait": wait, "rate": PER_SECOND, "most": AT_ONCE})


def _say_budget(request: HttpRequest, spent: timedelta, *, each: timedelta) -> None:
    spent = max(spent, timedelta(0))
    say(
        request,
        {
            "RateLimit-Limit": str(AT_ONCE),
            "RateLimit-Remaining": str(max(0, AT_ONCE - math.ceil(spent / each))),
            "RateLimit-Reset": str(math.ceil(spent.total_seconds())),
        },
    )
