"""Whose is it? From a route key, an id or a duty to a merchant, and the one way into a merchant's schema.

Route keys are looked up once and then remembered for a short while in this process, so that a warm request needs no
query before its own statement. A key that is retired in another process cannot slip through: every statement that
acts on a route asks `key_still_opens` in the same round trip, and `forget_route` drops what is no longer true.
"""

import asyncio
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import Any, Final, TypeVar
from uuid import UUID
from zlib import crc32

import structlog
from cachetools import LRUCache, TTLCache
from django.db import InterfaceError, InternalError, OperationalError, close_old_connections, connection
from django_tenants.utils import schema_context

from tenants.encryption import SealingError, SealingKeyMissing, Vault
from tenants.models import Merchant, MerchantMode, RouteKey
from tenants.models.merchant import ConfirmPolicy, Policy
from tenants.sealing import open_vault

log = structlog.get_logger()
T = TypeVar("T")
REMEMBERED_SECONDS: Final = 30
REMEMBERED_ROUTES: Final = 20_000
UNKNOWN_SECONDS: Final = 5
LONGEST_KEY: Final = 40
# What a step raises whose connection was cut, or now leads to a server that may no longer write.
CUT_OFF: Final = (OperationalError, InterfaceError, InternalError)


@dataclass(frozen=True, slots=True)
class Route:
    """A merchant and mode as a URL or a duty names them, with all that a hot path needs."""

    merchant_id: UUID
    schema: str
    mode: str
    lane: UUID
    # None when the key ring lacks the merchant's key: what arrives is still accepted, nothing sealed is opened.
    vault: Vault | None = field(repr=False)
    name: str = ""
    language: str = ""
    return_urls: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    forwards: bool = False
    strict: bool = False
    confirm_closed: bool = False
    prepares: bool = False
    reads_prepared: bool = False
    keeps_arrivals: timedelta = timedelta(days=30)
    # What customers see in place of the name, our colour and no logo; empty: just that.
    brand_name: str = ""
    brand_colour: str = ""
    brand_logo: str = ""
    key_id: UUID | None = None

    @property
    def livemode(self) -> bool:
        return self.mode == "live"

    def open_vault(self) -> Vault:
        """Return the vault; raise SealingKeyMissing when the key ring does not open it."""
        if self.vault is None:
            raise SealingKeyMissing("SEALING_KEYS lacks this merchant's key: add it to the ring again")
        return self.vault


_lock = Lock()
_routes: TTLCache[tuple[str, str], Route] = TTLCache(REMEMBERED_ROUTES, REMEMBERED_SECONDS)
_modes: TTLCache[tuple[UUID, str], Route] = TTLCache(REMEMBERED_ROUTES, REMEMBERED_SECONDS)
# Where keys led when that was last looked up, for answers that cannot wait until the database is back.
_last_known: LRUCache[tuple[str, str], Route] = LRUCache(REMEMBERED_ROUTES)
# Apart, so that a spray of made-up keys drives no real one out.
_unknown: TTLCache[tuple[str, str], None] = TTLCache(REMEMBERED_ROUTES, UNKNOWN_SECONDS)

# A condition for statements that act on a route: its key opens at this moment, whatever this process remembers.
KEY_STILL_OPENS: Final = (
    "SELECT 1 FROM public.tenants_routekey WHERE id = %(route_key)s AND (works_until IS NULL OR works_until > %(at)s)"
)


def twice_if_cut_off(step: Callable[[], T]) -> T:
    """Run a database step, and once more on a fresh connection if the lasting one turns out to be cut.

    Hot paths ask this way in place of a health check, which would be a round trip for each request.
    """
    try:
        return step()
    except CUT_OFF:
        connection.close()
    return step()


def find_route(key: str, *, kind: str, at: datetime) -> Route | None:
    """Return where a route key leads, or None for an unknown, retired or wrong kind of key.

    Raises django.db.Error when it has to be looked up and the database fails twice.
    """
    if len(key) > LONGEST_KEY or not key.isascii() or "\x00" in key:
        return None  # and is not remembered, since anybody can make up long ones
    with _lock:
        if (key, kind) in _unknown:
            return None
        if route := _routes.get((key, kind)):
            return route
    route = twice_if_cut_off(partial(_look_up, key, kind=kind, at=at))
    with _lock:
        if route:
            _routes[key, kind] = _last_known[key, kind] = route
        else:
            _unknown[key, kind] = None
            _last_known.pop((key, kind), None)
    return route


def last_known_route(key: str, *, kind: str) -> Route | None:
    """Return where a key led when this process last looked, however long ago; None for one that is known to be closed.

    For an answer that has to be given while the database is away; nothing may be written for such a route.
    """
    with _lock:
        return _last_known.get((key, kind))


def _look_up(key: str, *, kind: str, at: datetime) -> Route | None:
    rows = RouteKey.objects.select_related("merchant__brand").defer("merchant__brand__logo")
    row = rows.filter(key=key, kind=kind).first()
    if row is None or row.merchant.state != Merchant.State.READY or row.merchant.closed_at:
        return None
    if row.works_until is not None and row.works_until <= at:
        return None
    return _route(row.merchant, row.mode, key_id=row.id)


def remembered_mode(merchant_id: UUID, mode: str) -> Route | None:
    """Return what this process remembers of a merchant and mode; asks no database, so an event loop may call it."""
    with _lock:
        return _modes.get((merchant_id, mode))


def find_mode(merchant_id: UUID, mode: str) -> Route | None:
    """Return the same for a merchant and mode that a duty or a page names."""
    if route := remembered_mode(merchant_id, mode):
        return route
    merchants = Merchant.objects.ready().select_related("brand").defer("brand__logo")
    merchant = merchants.filter(id=merchant_id, closed_at=None).first()
    if merchant is None:
        return None
    route = _route(merchant, mode)
    with _lock:
        _modes[merchant_id, mode] = route
    return route


def _route(merchant: Merchant, mode: str, key_id: UUID | None = None) -> Route:
    chosen = MerchantMode.objects.get(merchant=merchant, mode=mode)
    brand = getattr(merchant, "brand", None)
    return Route(
        merchant_id=merchant.id,
        schema=merchant.schema_name,
        mode=mode,
        lane=chosen.id,
        vault=_try_vault(merchant),
        name=merchant.name,
        language=merchant.language,
        return_urls=tuple(chosen.return_urls),
        origins=tuple(chosen.origins),
        forwards=chosen.forwards,
        strict=chosen.policy == Policy.STRICT,
        confirm_closed=chosen.confirm_policy == ConfirmPolicy.CLOSED,
        prepares=chosen.prepares,
        reads_prepared=chosen.reads_prepared,
        keeps_arrivals=timedelta(days=merchant.keeps_arrivals),
        brand_name=brand.name if brand else "",
        brand_colour=brand.colour if brand else "",
        brand_logo=brand.logo_name if brand else "",
        key_id=key_id,
    )


def _try_vault(merchant: Merchant) -> Vault | None:
    try:
        return open_vault(merchant)
    except SealingError as error:
        log.error("vault_closed", merchant=str(merchant.id), error=str(error))
        return None


def forget_route(key: str) -> None:
    """Drop what this process remembers of a route key."""
    with _lock:
        for kind in RouteKey.Kind.values:
            for remembered in (_routes, _unknown, _last_known):
                remembered.pop((key, kind), None)


def forget_merchant(merchant_id: UUID) -> None:
    """Drop what this process remembers of a merchant; other processes remember it for half a minute."""
    with _lock:
        remembered: tuple[MutableMapping[Any, Route], ...] = (_routes, _modes, _last_known)
        for routes in remembered:
            for key in [key for key, route in routes.items() if route.merchant_id == merchant_id]:
                routes.pop(key, None)


def forget_everything() -> None:
    """Drop all that this process remembers."""
    with _lock:
        _routes.clear()
        _last_known.clear()
        _unknown.clear()
        _modes.clear()


@contextmanager
def inside(schema: str) -> Iterator[None]:
    """Enter a merchant's schema: the one way in, a fresh context each time (the library's objects are shared)."""
    with schema_context(schema):
        yield


class Threads:
    """The bounded pool in which an event loop's database steps run, each inside its merchant's schema.

    A merchant's steps keep to one thread while it is free, since a connection that has seen a schema before has its
    tables and plans at hand; nobody waits for a busy thread while another is free.
    """

    def __init__(self, size: int) -> None:
        self._threads = [ThreadPoolExecutor(1, thread_name_prefix="database") for _ in range(size)]
        self._busy = [0] * size

    async def run(self, schema: str, step: Callable[..., T], *args: Any, **named: Any) -> T:
        """Run one step to its end; the merchant is entered inside the thread, never carried into it.

        A step whose connection was cut is run once more: whoever hands one in can bear that.
        """
        call = partial(_enter_and_run, schema, step, *args, **named)
        place = self._choose(schema)
        self._busy[place] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads[place], call)
        finally:
            self._busy[place] -= 1

    def _choose(self, schema: str) -> int:
        usual = crc32(schema.encode()) % len(self._threads)
        return min((self._busy[place], place != usual, place) for place in range(len(self._threads)))[2]

    def close(self) -> None:
        """Wait for the steps under way."""
        for thread in self._threads:
            thread.shutdown(wait=True)


def _enter_and_run(schema: str, step: Callable[..., T], *args: Any, **named: Any) -> T:
    close_old_connections()
    with inside(schema):
        return twice_if_cut_off(partial(step, *args, **named))
