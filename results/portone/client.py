"""Ask PortOne V1, with a merchant's own keys, what it knows of a payment.

One client per event loop, one total deadline per question (token, look-up and the one retry together). The token is
bought once and shared; its end is computed from `expired_at - now` of PortOne's own answer, because clocks differ.
(Facts: PortOne V1 API document and authentication page; a 401 on a look-up means a stale token or refused keys.)
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote
from uuid import UUID

import httpx
from httpx_aiohttp import AiohttpTransport

from results.core.claim import is_askable
from results.core.snapshot import Snapshot
from results.portone.credentials import Access
from results.portone.errors import PaymentUnknown, PortOneRefused, PortOneUnavailable
from results.portone.parse import parse_payment

DEADLINE: Final = 15.0  # seconds; the lease of a duty is longer
BATCH: Final = 100
MAX_ANSWER: Final = 8 * 1024 * 1024
# A token asked for in its last minute is prolonged by five; sooner, PortOne returns the same one unchanged.
REFRESH_BEFORE_END: Final = timedelta(seconds=50)

KeepToken = Callable[[str, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Found:
    """A payment that PortOne knows: what it says, and its own words, which hold personal data."""

    snapshot: Snapshot
    raw: bytes = field(repr=False)


class PortOne:
    """PortOne's V1 API over one long-lived HTTP client."""

    def __init__(self, base_url: str, *, deadline: float = DEADLINE, connections: int = 200) -> None:
        self._base_url = base_url.rstrip("/")
        self._deadline = deadline
        self._buying: dict[UUID, asyncio.Task[str]] = {}
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = httpx.AsyncClient(
            transport=AiohttpTransport(limits=limits),
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
        query = {"include_sandbox": "true"} if include_sandbox else {}
        asked_at, answer = await self._ask(access, f"/payments/{quote(imp_uid, safe='')}", query, keep_token)
        found = _found(answer, asked_at)
        if found.snapshot.imp_uid != imp_uid:
            raise PortOneUnavailable("the answer is about another payment")
        return found

    async def payments(self, access: Access, imp_uids: Sequence[str], *, keep_token: KeepToken) -> dict[str, Found]:
        """Ask about up to 100 payments at once. What is missing from the result is unknown: test payments are."""
        query = [("imp_uid[]", imp_uid) for imp_uid in imp_uids[:BATCH]]
        try:
            asked_at, answer = await self._ask(access, "/payments", query, keep_token)
        except PaymentUnknown:
            return {}
        found = [_found(payment, asked_at) for payment in _list(answer)]
        return {one.snapshot.imp_uid: one for one in found if one.snapshot.imp_uid in imp_uids}

    async def find_all(self, access: Access, merchant_uid: str, *, keep_token: KeepToken) -> list[Found]:
        """Ask for every payment of an order; raise PaymentUnknown when there is none."""
        if not is_askable(merchant_uid):
            raise PaymentUnknown("this order id cannot stand in a URL path")
        path = f"/payments/findAll/{quote(merchant_uid, safe='')}"
        asked_at, answer = await self._ask(access, path, {"limit": "100"}, keep_token)
        payments = _list(answer.get("list") if isinstance(answer, dict) else None)
        found = [_found(payment, asked_at) for payment in payments]
        return [one for one in found if one.snapshot.merchant_uid == merchant_uid]

    async def _ask(self, access: Access, path: str, query: Any, keep_token: KeepToken) -> tuple[datetime, Any]:
        """Return when the question was sent and the envelope's `response`."""
        try:
            async with asyncio.timeout(self._deadline):
                token = access.token if _is_fresh(access) else await self._buy_token(access, keep_token)
                asked_at, reply = await self._get(access, path, query, str(token))
                if reply.status_code == 401:
                    token = await self._buy_token(access, keep_token)
                    asked_at, reply = await self._get(access, path, query, token)
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            raise PortOneUnavailable(f"no answer ({type(error).__name__})") from error
        return asked_at, _open_envelope(reply)

    async def _get(self, access: Access, path: str, query: Any, token: str) -> tuple[datetime, httpx.Response]:
        headers = {"Authorization": f"Bearer {token}"} | ({"Tier": access.tier} if access.tier else {})
        asked_at = datetime.now(UTC)
        return asked_at, await self._read("GET", path, params=query, headers=headers)

    async def _buy_token(self, access: Access, keep_token: KeepToken) -> str:
        """Buy a token; questions of one merchant that need one at the same time share it."""
        buying = self._buying.get(access.credential_id)
        if buying is None:
            buying = asyncio.create_task(self._ask_for_token(access, keep_token))
            self._buying[access.credential_id] = buying
            buying.add_done_callback(lambda _: self._buying.pop(access.credential_id, None))
        return await asyncio.shield(buying)

    async def _ask_for_token(self, access: Access, keep_token: KeepToken) -> str:
        keys = {"imp_key": access.imp_key, "imp_secret": access.imp_secret}
        reply = await self._read("POST", "/users/getToken", json=keys)
        answer = _open_envelope(reply)
        try:
            token, life = str(answer["access_token"]), int(answer["expired_at"]) - int(answer["now"])
        except (KeyError, TypeError, ValueError) as error:
            raise PortOneUnavailable("the token answer cannot be read") from error
        await keep_token(token, datetime.now(UTC) + timedelta(seconds=life))
        return token

    async def _read(self, method: str, path: str, **options: Any) -> httpx.Response:
        async with self._http.stream(method, self._base_url + path, **options) as reply:
            body = bytearray()
            async for chunk in reply.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise PortOneUnavailable("the answer is too long")
            return httpx.Response(reply.status_code, headers=_kept_headers(reply.headers), content=bytes(body))


def _kept_headers(headers: httpx.Headers) -> Mapping[str, str]:
    return {"content-type": headers.get("content-type", "")}


def _is_fresh(access: Access) -> bool:
    ends = access.token_expires_at
    return access.token is not None and ends is not None and datetime.now(UTC) < ends - REFRESH_BEFORE_END


def _open_envelope(reply: httpx.Response) -> Any:
    """Return `response` of the envelope. PortOne also says no at HTTP 200, with a code other than 0."""
    if reply.status_code == 401:
        raise PortOneRefused("PortOne refuses these keys")
    try:
        envelope = json.loads(reply.content, parse_float=Decimal, parse_constant=_refuse_constant)
        code = envelope["code"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PortOneUnavailable(f"HTTP {reply.status_code} without PortOne's envelope") from error
    if reply.status_code == 404:
        raise PaymentUnknown("PortOne knows no such payment")
    if reply.status_code not in (200, 207) or str(code) != "0":
        raise PortOneUnavailable(f"HTTP {reply.status_code}, code {str(code)[:16]}")
    return envelope.get("response")


def _refuse_constant(text: str) -> None:
    raise ValueError(text)


def _list(answer: object) -> list[object]:
    if not isinstance(answer, list):
        raise PortOneUnavailable("the answer holds no list")
    return answer


def _found(payment: object, asked_at: datetime) -> Found:
    raw = json.dumps(payment, ensure_ascii=False, default=str).encode("utf-8", "replace")
    return Found(parse_payment(payment, asked_at=asked_at), raw)
