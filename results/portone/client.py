"""Ask PortOne V1, with a merchant's own keys, what it knows of a payment.

One client per event loop, one total deadline per question (token, look-up and the one retry together). The token is
bought once and shared; its end is computed from `expired_at - now` of PortOne's own answer, because clocks differ.
(Facts: PortOne V1 API document and authentication page; a 401 on a look-up means a stale token or refused keys.)
"""

import asyncio
import json
import re
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote
from uuid import UUID

import aiohttp
import httpx
from cachetools import TTLCache
from httpx_aiohttp import AiohttpTransport

from config import metrics
from results.core.claim import is_askable
from results.core.money import Money
from results.core.snapshot import Snapshot
from results.portone.credentials import Access
from results.portone.errors import (
    PaymentUnknown,
    PortOneBusy,
    PortOneDeclined,
    PortOneGarbled,
    PortOneRefused,
    PortOneSilent,
    PortOneUnavailable,
    QuestionRejected,
)
from results.portone.parse import ILLEGIBLE, Channel, parse_channel, parse_payment, parse_prepared, whole

DEADLINE: Final = 15.0  # seconds; the lease of a duty is longer
BATCH: Final = 100
MAX_ANSWER: Final = 8 * 1024 * 1024
# A token asked for in its last minute is prolonged by five; sooner, PortOne returns the same one unchanged.
REFRESH_BEFORE_END: Final = timedelta(seconds=50)
LIFE_SECONDS: Final = 1800
TOKEN: Final = re.compile(r"[\x21-\x7e]{1,2048}")  # nothing else can stand in a header

# What a path asks for, the longest beginnings first.
OPERATIONS: Final = {
    "/users/getToken": "token",
    "/users/pg": "channels",
    "/payments/findAll/": "find_all",
    "/payments/prepare": "prepare",
    "/payments/status/": "list",
    "/payments/": "payment",
    "/payments": "payments",
}

KeepToken = Callable[[str, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Found:
    """A payment that PortOne knows: what it says, and its own words, which hold personal data."""

    snapshot: Snapshot
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of PortOne's list of payments, newest change first. `unreadable` rows are left out of `found`."""

    found: tuple[Found, ...] = ()
    unreadable: int = 0
    total: int = 0
    is_last: bool = True


class PortOne:
    """PortOne's V1 API over one long-lived HTTP client."""

    def __init__(self, base_url: str, *, deadline: float = DEADLINE, connections: int = 200) -> None:
        self._base_url = base_url.rstrip("/")
        self._deadline = deadline
        self._bought: TTLCache[tuple[str, str], tuple[str, datetime]] = TTLCache(10_000, LIFE_SECONDS)
        self._buying: defaultdict[UUID, asyncio.Lock] = defaultdict(asyncio.Lock)
        tls = httpx.create_ssl_context()
        self._http = httpx.AsyncClient(
            transport=AiohttpTransport(verify=tls, client=lambda: _open_session(tls, connections)),
            # No cookies: all merchants share this client, and a jar would carry one's into another's question.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=deadline,
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def payment(self, access: Access, imp_uid: str, *, include_sandbox: bool, keep_token: KeepToken) -> Found:
        """Ask about one payment; raise PaymentUnknown, PortOneRefused or PortOneUnavailable."""
        if not is_askable(imp_uid):
            raise PaymentUnknown("this payment id cannot stand in a URL path")
        query = {"include_sandbox": "true"} if include_sandbox else {}
        asked_at, answer = await self._ask(access, f"/payments/{quote(imp_uid, safe='')}", query, keep_token)
        found = _found(answer, asked_at)
        if found.snapshot.imp_uid != imp_uid:
            raise PortOneUnavailable("the answer is about another payment")
        return found

    async def payments(
        self, access: Access, imp_uids: Sequence[str], *, keep_token: KeepToken
    ) -> dict[str, Found | None]:
        """Ask about up to 100 payments at once.

        What is missing from the result is unknown, as test payments are; None is one that cannot be read.
        """
        query = [("imp_uid[]", imp_uid) for imp_uid in imp_uids[:BATCH]]
        try:
            asked_at, answer = await self._ask(access, "/payments", query, keep_token)
        except PaymentUnknown:
            return {}
        named = [(str(payment.get("imp_uid")), payment) for payment in _list(answer) if isinstance(payment, dict)]
        return {imp_uid: _try_found(payment, asked_at) for imp_uid, payment in named if imp_uid in imp_uids}

    async def find_all(self, access: Access, merchant_uid: str, *, keep_token: KeepToken) -> list[Found]:
        """Ask for every payment of an order; raise PaymentUnknown when there is none."""
        if not is_askable(merchant_uid):
            raise PaymentUnknown("this order id cannot stand in a URL path")
        path = f"/payments/findAll/{quote(merchant_uid, safe='')}"
        asked_at, answer = await self._ask(access, path, {"limit": "100"}, keep_token)
        payments = _list(answer.get("list") if isinstance(answer, dict) else None)
        read = [_try_found(payment, asked_at) for payment in payments]
        found = [one for one in read if one is not None and one.snapshot.merchant_uid == merchant_uid]
        if not found and None in read:
            raise PortOneUnavailable("no payment of the order can be read")
        return found

    async def prepare(
        self, access: Access, merchant_uid: str, amount: Decimal, currency: str, *, keep_token: KeepToken
    ) -> None:
        """Announce what an order costs, in major units; what was announced before is replaced.

        Raises PortOneDeclined or PaymentUnknown when PortOne takes neither a new amount nor a changed one.
        """
        # A form, because in JSON a fraction would pass through a float.
        form = {"merchant_uid": merchant_uid, "amount": format(amount, "f"), "currency": currency}
        try:
            await self._ask(access, "/payments/prepare", None, keep_token, method="POST", data=form)
        except PortOneDeclined:  # it is announced already, most likely: PortOne has no code of its own for that
            await self._ask(access, "/payments/prepare", None, keep_token, method="PUT", data=form)

    async def prepared(self, access: Access, merchant_uid: str, *, keep_token: KeepToken) -> Money | None:
        """Ask what was announced of an order; None for nothing, and for an amount that is none in its currency."""
        if not is_askable(merchant_uid):
            return None
        path = f"/payments/prepare/{quote(merchant_uid, safe='')}"
        try:
            _, answer = await self._ask(access, path, None, keep_token)
        except (PaymentUnknown, PortOneDeclined):
            return None
        return parse_prepared(answer, merchant_uid)

    async def list_newest(self, access: Access, *, page: int, limit: int, keep_token: KeepToken) -> Page:
        """Ask for a page, from 1, of all payments, those changed last first. Test payments are not among them.

        Without `from` and `to`: they would leave out what was changed just now but begun long ago. A page past the
        end is an empty last one. Raises PortOneRefused or PortOneUnavailable.
        """
        query = {"sorting": "-updated", "page": str(page), "limit": str(limit)}
        try:
            asked_at, answer = await self._ask(access, "/payments/status/all", query, keep_token)
        except QuestionRejected:
            return Page()
        except PaymentUnknown as error:
            raise PortOneUnavailable("HTTP 404 for a list") from error
        return _page(answer, asked_at)

    async def channels(self, access: Access, *, keep_token: KeepToken) -> tuple[Channel, ...]:
        """Ask which payment channels the account has, live and test; what cannot be read of them is left out.

        Raises PortOneRefused, PortOneUnavailable, or PaymentUnknown for a 404.
        """
        _, answer = await self._ask(access, "/users/pg", None, keep_token)
        return tuple(channel for channel in map(parse_channel, _list(answer)) if channel)

    async def _ask(
        self, access: Access, path: str, query: Any, keep_token: KeepToken, *, method: str = "GET", **body: Any
    ) -> tuple[datetime, Any]:
        """Return when the question was sent and the envelope's `response`."""
        try:
            async with asyncio.timeout(self._deadline):
                token = await self._token(access, keep_token, refused=None)
                asked_at, reply = await self._send(access, method, path, token, params=query, **body)
                if reply.status_code == 401:
                    token = await self._token(access, keep_token, refused=token)
                    asked_at, reply = await self._send(access, method, path, token, params=query, **body)
        except (httpx.HTTPError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PortOneSilent(f"no answer ({type(error).__name__})") from error
        return asked_at, _open_envelope(reply)

    async def _send(
        self, access: Access, method: str, path: str, token: str, **options: Any
    ) -> tuple[datetime, httpx.Response]:
        headers = {"Authorization": f"Bearer {token}"} | ({"Tier": access.tier} if access.tier else {})
        asked_at = datetime.now(UTC)
        return asked_at, await self._read(method, path, headers=headers, **options)

    async def _token(self, access: Access, keep_token: KeepToken, *, refused: str | None) -> str:
        """Return a fresh token, but not the refused one; a merchant's questions share what one of them buys."""
        keys = (access.imp_key, access.imp_secret)
        async with self._buying[access.credential_id]:
            for token, ends in (self._bought.get(keys, (None, None)), (access.token, access.token_expires_at)):
                if token is not None and token != refused and _is_fresh(ends):
                    return token
            bought, ends = self._bought[keys] = await self._buy_token(access)
            await keep_token(bought, ends)
            return bought

    async def _buy_token(self, access: Access) -> tuple[str, datetime]:
        keys = {"imp_key": access.imp_key, "imp_secret": access.imp_secret}
        reply = await self._read("POST", "/users/getToken", json=keys)
        try:
            answer = _open_envelope(reply)
            token, life = answer["access_token"], whole(answer["expired_at"]) - whole(answer["now"])
            ends = datetime.now(UTC) + timedelta(seconds=life)
            if not TOKEN.fullmatch(token):
                raise ValueError("token")
        # No token, no question at all: this is not about one of them.
        except PortOneGarbled as error:
            raise PortOneSilent(str(error)) from error
        # A 404 here says nothing about a payment: none was asked about.
        except (PaymentUnknown, KeyError, *ILLEGIBLE) as error:
            raise PortOneUnavailable("the token answer cannot be read") from error
        return token, ends

    async def _read(self, method: str, path: str, **options: Any) -> httpx.Response:
        request = self._http.stream(method, self._base_url + path, **options)
        with metrics.portone_call(_operation(path)) as status:
            async with request as reply:
                status.append(reply.status_code)
                body = bytearray()
                async for chunk in reply.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER:
                        raise PortOneUnavailable("the answer is too long")
            return httpx.Response(reply.status_code, headers=_kept_headers(reply.headers), content=bytes(body))


def _operation(path: str) -> str:
    """Name what a path asks for; a payment's or order's own id is no part of it."""
    return next((name for beginning, name in OPERATIONS.items() if path.startswith(beginning)), "other")


def _kept_headers(headers: httpx.Headers) -> Mapping[str, str]:
    return {"content-type": headers.get("content-type", "")}


def _open_session(tls: ssl.SSLContext, connections: int) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=connections, ssl=tls)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def _is_fresh(ends: datetime | None) -> bool:
    return ends is not None and datetime.now(UTC) < ends - REFRESH_BEFORE_END


def _open_envelope(reply: httpx.Response) -> Any:
    """Return `response` of the envelope. PortOne also says no at HTTP 200, with a code other than 0."""
    if reply.status_code == 429:
        raise PortOneBusy("HTTP 429")
    try:
        envelope = json.loads(reply.content, parse_float=Decimal, parse_constant=_refuse_constant)
        code = envelope["code"]
    except (KeyError, *ILLEGIBLE) as error:
        raise PortOneGarbled(f"HTTP {reply.status_code} without PortOne's envelope") from error
    # A proxy between us refuses and misses too: only PortOne's own envelope says so of keys and payments.
    if reply.status_code == 401:
        raise PortOneRefused("PortOne refuses these keys")
    if reply.status_code == 404:
        raise PaymentUnknown("PortOne knows no such payment")
    if reply.status_code == 400:
        raise QuestionRejected(f"HTTP 400, code {str(code)[:16]}")
    if reply.status_code >= 500:
        raise PortOneGarbled(f"HTTP {reply.status_code}")
    if reply.status_code in (200, 409) and str(code) != "0":
        raise PortOneDeclined(f"HTTP {reply.status_code}, code {str(code)[:16]}")
    if reply.status_code not in (200, 207) or str(code) != "0":
        raise PortOneUnavailable(f"HTTP {reply.status_code}, code {str(code)[:16]}")
    return envelope.get("response")


def _refuse_constant(text: str) -> None:
    raise ValueError(text)


def _list(answer: object) -> list[object]:
    if not isinstance(answer, list):
        raise PortOneUnavailable("the answer holds no list")
    return answer


def _page(answer: object, asked_at: datetime) -> Page:
    if not isinstance(answer, dict):
        raise PortOneUnavailable("the answer holds no page")
    rows = _list(answer.get("list"))
    read = [_try_found(row, asked_at) for row in rows]
    found = tuple(one for one in read if one is not None)
    try:
        total, following = whole(answer.get("total") or 0), whole(answer.get("next") or 0)
    except ILLEGIBLE as error:
        raise PortOneUnavailable("the page cannot be counted") from error
    return Page(found, len(rows) - len(found), total, is_last=not rows or following == 0)


def _found(payment: object, asked_at: datetime) -> Found:
    raw = json.dumps(payment, ensure_ascii=False, default=str).encode("utf-8", "replace")
    return Found(parse_payment(payment, asked_at=asked_at), raw)


def _try_found(payment: object, asked_at: datetime) -> Found | None:
    try:
        return _found(payment, asked_at)
    except PortOneUnavailable:
        return None
