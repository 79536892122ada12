"""Who plays in the walk? PortOne's desk, the shop's till and the customer's browser, each over HTTP."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import httpx

from .shop.received import value_at

PATIENCE = 60.0  # seconds for a page to settle or a callback to come
LOOK_EVERY = 0.1


class WentWrong(Exception):
    """Something in a story is not as it should be; the message says what, in a few words."""


@dataclass(frozen=True, slots=True)
class PortOneDesk:
    """PortOne's side of the simulator: opens windows, decides, and sends webhooks."""

    url: str
    imp_key: str
    http: httpx.AsyncClient = field(repr=False)
    # How webhooks are written is a setting of the whole account, so one sends at a time.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    async def add_account(self, **settings: Any) -> None:
        await self._control("accounts", imp_key=self.imp_key, **settings)

    async def changes_account(self, **settings: Any) -> Mapping[str, Any]:
        """Change settings of the account; return them all."""
        answer = await _sent(self.http, "PATCH", f"{self.url}/_control/accounts/{self.imp_key}", json=settings)
        return dict(answer.json())

    async def opens_window(self, order: str, price: int, **settings: Any) -> str:
        """Open the payment window; return the payment's imp_uid."""
        answer = await self._control("payments", imp_key=self.imp_key, merchant_uid=order, amount=price, **settings)
        return str(answer["imp_uid"])

    async def does(self, action: str, imp_uid: str, *, encoding: str = "json", copies: int = 1, **how: Any) -> str:
        """Let something happen to a payment; return where the browser goes after it."""
        async with self.sending(encoding=encoding, copies=copies):
            return str((await self._control(f"payments/{imp_uid}/{action}", **how))["redirect_url"])

    @asynccontextmanager
    async def sending(self, *, encoding: str = "json", copies: int = 1) -> AsyncIterator[None]:
        """Hold the account's settings while something happens that sends a webhook."""
        async with self.turn:
            await self.changes_account(encoding=encoding, webhook_copies=copies)
            yield

    @asynccontextmanager
    async def out_of_order(self) -> AsyncIterator[None]:
        """Let PortOne's API answer nothing but 503 for a while; webhooks and windows go on."""
        await self._control("faults", kind="status", status=503, who=self.imp_key)
        await _sent(self.http, "DELETE", f"{self.url}/_control/requests")
        try:
            yield
        finally:
            await _sent(self.http, "DELETE", f"{self.url}/_control/faults")

    async def turned_away(self) -> None:
        """Wait until somebody met the API out of order: no matter about which payment, for one probe speaks for all."""
        ends = monotonic() + PATIENCE
        while monotonic() < ends:
            if (await _sent(self.http, "GET", f"{self.url}/_control/requests")).json()["counts"]:
                return
            await asyncio.sleep(LOOK_EVERY)
        raise WentWrong(f"PortOne was not asked within {PATIENCE:g} s")

    async def _control(self, path: str, **body: Any) -> Mapping[str, Any]:
        answer = await _sent(self.http, "POST", f"{self.url}/_control/{path}", json=body)
        return dict(answer.json())


@dataclass(frozen=True, slots=True)
class Till:
    """The sample shop: takes orders, and tells what it heard."""

    url: str
    http: httpx.AsyncClient = field(repr=False)

    async def settings(self, **settings: Any) -> None:
        await _sent(self.http, "POST", f"{self.url}/_control/settings", json=settings)

    async def takes_order(self, order: str, name: str, price: int) -> str:
        """Write an order down; return the address of its payment window."""
        body = {"order": order, "name": name, "amount": price}
        answer = await _sent(self.http, "POST", f"{self.url}/_control/orders", json=body)
        return str(answer.json()["pay_url"])

    async def received(self, order: str = "") -> list[dict[str, Any]]:
        """Return every callback as the shop wrote it down, verified by the reference library or not."""
        answer = await _sent(self.http, "GET", f"{self.url}/received", params={"order": order})
        return list(answer.json())

    async def fulfilled(self) -> list[str]:
        return list((await _sent(self.http, "GET", f"{self.url}/fulfilled")).json())

    async def hears(self, order: str, *, sequence: int) -> dict[str, Any] | None:
        """Wait for an order's callback with this number; None when nothing about the order came at all."""
        heard: list[dict[str, Any]] = []
        ends = monotonic() + PATIENCE
        while monotonic() < ends:
            heard = await self.received(order)
            for item in heard:
                if value_at(item["event"], "sequence") == sequence:
                    return item
            await asyncio.sleep(LOOK_EVERY)
        return heard[-1] if len(heard) >= sequence else None


@dataclass(frozen=True, slots=True)
class Browser:
    """The customer's browser. It follows no redirect by itself, so that each one can be looked at."""

    public_url: str
    return_url: str
    http: httpx.AsyncClient = field(repr=False)

    async def pays_by_card(self, pay_url: str, desk: PortOneDesk, *, copies: int = 1) -> str:
        """Click through the payment window's pages; return where it sends the browser."""
        window = await _sent(self.http, "GET", pay_url)
        action = _found(r'action="(/pay/[^"]+)"', window.text, "the payment window has no form")
        async with desk.sending(copies=copies):
            answer = await self.http.post(f"{desk.url}{action}", data={"choice": "paid"})
        return _location(answer, status=302)

    async def comes_back(self, url: str, *, sees: str, method: str = "GET") -> str:
        """Land, be sent to a page of one's own, and watch it until it settles; return the page's address."""
        page = await self.lands(url, method=method)
        await self.settles(page, sees)
        return page

    async def lands(self, url: str, *, method: str = "GET") -> str:
        """Follow the payment window's redirect; return the address of the page that it leads to."""
        page = _location(await self.http.request(method, url), status=303)
        if not page.startswith(f"{self.public_url}/r/"):
            raise WentWrong("the landing led somewhere else than to a result page")
        return page

    async def settles(self, page: str, sees: str) -> None:
        """Watch a page until it does not ask any more, and compare what it says then."""
        ends = monotonic() + PATIENCE
        while monotonic() < ends:
            if (await _sent(self.http, "GET", f"{page}/status")).json()["settled"]:
                return await self.sees(page, sees)
            await asyncio.sleep(LOOK_EVERY)
        raise WentWrong(f"the customer's page did not settle within {PATIENCE:g} s")

    async def sees(self, page: str, wanted: str) -> None:
        """Compare what a page says at this moment."""
        shown = await _sent(self.http, "GET", page)
        state = _found(r'data-state="([a-z_]+)"', shown.text, "the result page names no state")
        if state != wanted:
            raise WentWrong(f"the customer's page says {state} instead of {wanted}")

    async def returns_to_shop(self, page: str, *, order: str) -> None:
        """Click the button that leads back, and read whether the shop believes the signed address."""
        address = _location(await self.http.get(f"{page}/return"), status=303)
        if not address.startswith(f"{self.return_url}?"):
            raise WentWrong("the way back does not lead to the registered return URL")
        shown = (await _sent(self.http, "GET", address)).text
        for fact in ('data-signed="yes"', f'data-order="{order}"', 'data-status="paid"'):
            if fact not in shown:
                raise WentWrong(f"the shop's page lacks {fact}")


async def _sent(http: httpx.AsyncClient, method: str, url: str, **request: Any) -> httpx.Response:
    answer = await http.request(method, url, **request)
    if not answer.is_success:
        # Without the query, which may name a key.
        raise WentWrong(f"{method} {answer.url.copy_with(query=None)} answered {answer.status_code}")
    return answer


def _location(answer: httpx.Response, *, status: int) -> str:
    if answer.status_code != status:
        raise WentWrong(f"{answer.request.method} {answer.url.path} answered {answer.status_code}, not {status}")
    return answer.headers["location"]


def _found(pattern: str, text: str, otherwise: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise WentWrong(otherwise)
    return match[1]
