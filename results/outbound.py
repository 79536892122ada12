"""How do we call a stranger's server without being led astray, held up or filled up by it?

`check_target` reads a URL with the parser that will dial it. `GuardedClient` keeps one pool of connections
for its event loop: one deadline over each call, a cap on what is kept, no redirects, and no connection to an
address that `results.core.target` refuses. Addresses are judged where they are dialled, in the resolver and
again in the socket factory, never by rewriting the URL: the pool then goes by names, so no merchant's call
can ride on a TLS connection whose certificate was another's.

What an endpoint does wrong is a value, `Reply.error`. What we do wrong is an exception:

    OutboundFault     we could not place the call; the endpoint has not been asked, and is not to blame
    CancelledError    we are shutting down; the attempt is to be made again
"""

import asyncio
import errno
import logging
import socket
import ssl
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from time import perf_counter
from typing import Any, Self

import aiohttp
import httpx
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from httpx_aiohttp import AiohttpTransport

from results.address_guard import ForbiddenAddress, GuardedResolver, Resolver, SystemResolver, guarded_connector
from results.core.target import (
    DEFAULT_PORTS,
    Networks,
    Refused,
    Target,
    judge_target,
    spell_out,
)
from results.core.verdict import AttemptError, Reply

# httpx logs every URL at INFO, and a callback's path or query may hold the merchant's own secret.
logging.getLogger("httpx").setLevel(logging.WARNING)


class OutboundFault(Exception):
    """We could not place the call (no files or memory left, our proxy is down); later it may work."""


def check_target(url: str, *, allowed: Networks = (), own_hosts: frozenset[str] = frozenset()) -> Target | Refused:
    """Return the URL in the one form to be stored and called, or how to mend it. Asks no network."""
    spelled = spell_out(url)
    if isinstance(spelled, Refused):
        return spelled
    try:
        parsed = httpx.URL(spelled)
    except httpx.InvalidURL:
        return Refused("Check the URL for typing errors; it cannot be read.")
    host = parsed.raw_host.decode("ascii")
    port = DEFAULT_PORTS.get(parsed.scheme, 0) if parsed.port is None else parsed.port
    mend = judge_target(scheme=parsed.scheme, host=host, port=port, allowed=allowed, own_hosts=own_hosts)
    return Refused(mend) if mend else Target(str(parsed), parsed.scheme, host, port)


class GuardedClient:
    """The one way to an endpoint: `async with GuardedClient(...) as client: await client.post(...)`.

    Make one per event loop and keep it. `total` must be at least the number of calls in flight, because
    waiting for a connection of our own pool counts against the endpoint's deadline; `per_host` is for the
    same reason unlimited unless given, and the lanes of the duties hold each endpoint's share.

    With `proxy` every connection goes to the proxy, which resolves the name once more and has to guard it as
    the second layer; we judge the addresses that we can see before we ask it.
    """

    def __init__(
        self,
        *,
        allowed: Networks = (),
        own_hosts: frozenset[str] = frozenset(),
        proxy: str | None = None,
        total: int = 500,
        per_host: int | None = None,
        dns_seconds: int = 10,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        # Reading a URL costs as much as a sixth of a call, and an endpoint is called again and again.
        self._check = lru_cache(4096)(partial(check_target, allowed=allowed, own_hosts=own_hosts))
        self._allowed = allowed
        self._proxy = httpx.Proxy(proxy) if proxy else None
        self._limits: dict[str, Any] = {
            "limit": total,
            "limit_per_host": per_host or 0,
            "ttl_dns_cache": dns_seconds,
        }
        self._system = SystemResolver(threads=total)
        self._resolver = GuardedResolver(resolver or self._system, allowed=allowed)
        self._tls = tls or httpx.create_ssl_context(trust_env=False)

    async def __aenter__(self) -> Self:
        transport = AiohttpTransport(verify=self._tls, client=self._session(), proxy=self._proxy)
        # No redirects: a 302 could carry the signed body to an address that was never checked.
        # No cookies: merchants share hosts, and a jar would tell one of them about another.
        self._http = httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=None,  # noqa: S113  the deadline of post() covers what httpx would time piece by piece
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"user-agent": "Paywitness"},
        )
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._http.aclose()
        self._system.close()

    async def post(
        self, url: str, *, headers: Mapping[str, str], body: bytes, deadline: float = 15.0, cap: int = 16_384
    ) -> Reply:
        """Send the body once and return what came of it; `deadline` in seconds, `cap` in decoded bytes.

        The status line is the answer, and the body only for people to read: when it breaks off, cannot be
        decoded or is longer than `cap`, the reply is marked truncated and its status stands. A body that has
        not ended by the deadline is a timeout, because the endpoint may still be at work.
        """
        answer = _Answer(cap)
        target = self._check(url)
        if isinstance(target, Refused):
            return answer.failed(AttemptError.FORBIDDEN_TARGET, target.reason)
        try:
            async with asyncio.timeout(deadline):
                await self._exchange(target, headers, body, answer)
        except TimeoutError:
            return answer.late(deadline)
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            return answer.broken(error)
        return answer.reply()

    async def _exchange(self, target: Target, headers: Mapping[str, str], body: bytes, answer: "_Answer") -> None:
        if self._proxy:
            await self._resolver.check(target)
        sent = httpx.Headers(headers)
        sent["accept-encoding"] = "identity"
        async with self._http.stream("POST", target.url, headers=sent, content=body) as response:
            if not answer.begin(response):
                return
            # The raw bytes: httpx would unpack a whole chunk, and nested codings, before anyone could count.
            async for chunk in response.aiter_raw():
                if not answer.take(chunk):
                    return

    def _session(self) -> aiohttp.ClientSession:
        # Idle connections are dropped before the five seconds after which common servers hang up: a call
        # that crosses their goodbye would be a failure, and a POST is not silently sent twice.
        options: dict[str, Any] = {**self._limits, "ssl": self._tls, "keepalive_timeout": 4.0}
        if self._proxy:
            connector = aiohttp.TCPConnector(**options)
        else:
            connector = guarded_connector(self._resolver, allowed=self._allowed, **options)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class _Answer:
    """What has been heard so far, kept outside the call so that a deadline does not lose it."""

    def __init__(self, cap: int) -> None:
        self._started = perf_counter()
        self._cap = cap
        self._status: int | None = None
        self._retry_after: str | None = None
        self._body = bytearray()
        self._truncated = False
        self._detail = ""
        self._inflate: zlib._Decompress | None = None

    def begin(self, response: httpx.Response) -> bool:
        """Note the status line and the headers; say whether the body can be kept."""
        self._status = response.status_code
        self._retry_after = response.headers.get("retry-after", "")[:100] or None
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if coding in {"gzip", "x-gzip", "deflate"}:
            self._inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        elif coding not in {"identity", ""}:
            return self._cut(f"body encoded as {coding[:40]!r} although identity was asked for")
        return True

    def take(self, chunk: bytes) -> bool:
        """Keep as much as the cap allows, unpacking no further; say whether more is wanted."""
        room = self._cap + 1 - len(self._body)
        try:
            self._body += self._inflate.decompress(chunk, room) if self._inflate else chunk[:room]
        except zlib.error:
            return self._cut("body is not in the encoding it claims")
        if len(self._body) > self._cap:
            del self._body[self._cap :]
            return self._cut("")
        return not (self._inflate and self._inflate.unused_data)

    def broken(self, error: Exception) -> Reply:
        """Return what a failed exchange comes to; raise OutboundFault when the failure is ours."""
        causes = tuple(_causes(error))
        if any(map(_is_ours, causes)):
            raise OutboundFault(_describe(causes[-1])) from error
        if self._status is not None:
            self._cut(f"body broke off: {_describe(causes[-1])}")
            return self.reply()
        return self.failed(_coarse(causes), _describe(causes[-1]))

    def late(self, deadline: float) -> Reply:
        self._truncated = self._status is not None
        return self.failed(AttemptError.TIMEOUT, f"unfinished after {deadline:g} s")

    def failed(self, error: AttemptError, detail: str) -> Reply:
        self._detail = detail
        return self.reply(error)

    def reply(self, error: AttemptError | None = None) -> Reply:
        return Reply(
            status=self._status,
            error=error,
            retry_after=self._retry_after,
            body=bytes(self._body),
            truncated=self._truncated,
            duration_ms=round((perf_counter() - self._started) * 1000),
            detail=self._detail,
        )

    def _cut(self, detail: str) -> bool:
        self._truncated = True
        self._detail = detail
        return False


# The first row that fits any cause decides. httpx-aiohttp calls every failed connection a ConnectTimeout, so
# only the causes inside tell a refusal, a bad certificate and a missing name from one another.
_COARSE: tuple[tuple[tuple[type[BaseException], ...], AttemptError], ...] = (
    ((ForbiddenAddress, aiohttp.InvalidURL), AttemptError.FORBIDDEN_TARGET),
    ((aiohttp.ClientConnectorDNSError, socket.gaierror), AttemptError.DNS),
    ((ssl.SSLError, ssl.CertificateError, aiohttp.ClientSSLError), AttemptError.TLS),
    ((LineTooLong,), AttemptError.TOO_LARGE),
    ((TimeoutError,), AttemptError.TIMEOUT),
    ((aiohttp.ClientConnectorError,), AttemptError.REFUSED),
)
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# What a proxy answers to CONNECT when the endpoint, and not the proxy, is the trouble.
_PROXY_SAYS = {
    403: AttemptError.FORBIDDEN_TARGET,
    502: AttemptError.REFUSED,
    503: AttemptError.REFUSED,
    504: AttemptError.TIMEOUT,
}


def _coarse(causes: Sequence[BaseException]) -> AttemptError:
    for said in map(_proxy_said, causes):
        if said is not None:
            return said
    for kinds, error in _COARSE:
        if any(isinstance(cause, kinds) for cause in causes):
            return error
    # The parser has no type of its own for more header lines than it takes.
    many = any(isinstance(cause, BadHttpMessage) and "Too many" in cause.message for cause in causes)
    return AttemptError.TOO_LARGE if many else AttemptError.PROTOCOL


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _is_ours(error: BaseException) -> bool:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _proxy_said(error) is None
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return True
    return isinstance(error, OSError) and error.errno in _OURS


def _proxy_said(error: BaseException) -> AttemptError | None:
    if not isinstance(error, aiohttp.ClientHttpProxyError):
        return None
    # Smokescreen refuses an address with 407, which from anyone else means that our own password is wrong.
    if error.status == 407 and error.headers and "x-smokescreen-error" in error.headers:
        return AttemptError.FORBIDDEN_TARGET
    return _PROXY_SAYS.get(error.status)


def _describe(error: BaseException) -> str:
    """Name the innermost cause, not in its own words (they may hold the URL) but in the system's."""
    words = str(error) if isinstance(error, ForbiddenAddress) else getattr(error, "strerror", None)
    return f"{type(error).__name__}: {words}"[:200] if words else type(error).__name__
