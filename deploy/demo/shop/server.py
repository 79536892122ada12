"""Which doors does the shop have? Callbacks, the way back, a shelf, and a control API for scripts."""

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web
from yarl import URL

from ..mischief import answer_with, fault_from_json
from ..serving import in_background
from . import pages
from .ledger import Purchase, Shop
from .received import Received, order_in, read_event
from .returns import check_return, order_token

TOKEN_SECONDS = 3600

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(shop: Shop) -> web.Application:
    """Return the server for one shop."""
    doors = _Doors(shop)
    table: tuple[tuple[str, str, Handler], ...] = (
        ("POST", "/callback", doors.callback),
        ("GET", "/orders/complete", doors.complete),
        ("GET", "/", doors.home),
        ("POST", "/buy", doors.buy),
        ("GET", "/checkout/{order}", doors.checkout),
        ("POST", "/orders/check", doors.check),
        ("GET", "/received", doors.received),
        ("GET", "/fulfilled", doors.fulfilled),
        ("GET", "/_control/health", doors.health),
        ("POST", "/_control/settings", doors.configure),
        ("POST", "/_control/orders", doors.order),
        ("POST", "/_control/faults", doors.add_fault),
        ("DELETE", "/_control/faults", doors.clear_faults),
        ("DELETE", "/_control/received", doors.forget),
    )
    app = web.Application()
    app.add_routes([web.route(method, path, handler) for method, path, handler in table])
    return app


def running(shop: Shop) -> AbstractContextManager[str]:
    """Serve on a free loopback port in a background thread; the value of the `with` is the base URL."""
    return in_background(lambda: make_app(shop))


def pay_link(shop: Shop, purchase: Purchase) -> str:
    """Return the address of the payment window for an order; with a key the amount is signed."""
    settings = shop.settings
    query = {"user_code": settings.user_code} | window_of(shop, purchase)
    return f"{settings.pay_url}?{urlencode(query, quote_via=quote)}"


def window_of(shop: Shop, purchase: Purchase) -> dict[str, str]:
    """Return what PortOne's payment window is opened with for an order."""
    settings = shop.settings
    window = {
        "merchant_uid": purchase.order,
        "amount": str(purchase.amount),
        "name": purchase.name,
        "sandbox": "true" if settings.mode == "test" else "false",
        "m_redirect_url": settings.redirect_url,
    }
    if settings.notice_url:
        window["notice_url"] = settings.notice_url
    if settings.order_key:
        token = _token_for(shop, purchase)
        window["custom_data"] = json.dumps({"pw_order": token})
        window["m_redirect_url"] += f"?pw_order={token}"
    return window


def _token_for(shop: Shop, purchase: Purchase) -> str:
    settings = shop.settings
    claims = {
        "kid": settings.order_kid,
        "m": settings.merchant,
        "mode": settings.mode,
        "o": purchase.order,
        "a": purchase.amount,
        "c": "KRW",
        "e": int(shop.now().timestamp()) + TOKEN_SECONDS,
    }
    return order_token(claims, key=settings.order_key)


class _Doors:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    async def callback(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fault = self.shop.faults.take(where="callback", who=order_in(read_event(body)))
        if fault is None:
            return _answer_to(self.shop.receive(request.headers, body))
        received = self.shop.write_down(request.headers, body)

        async def work() -> web.Response:
            if received.verified:
                self.shop.act_on(received)
            return _answer_to(received)

        return await answer_with(fault, request, work)

    async def complete(self, request: web.Request) -> web.Response:
        settings, at = self.shop.settings, self.shop.now()
        registered = settings.return_url or f"{request.url.origin()}{request.rel_url.raw_path}"
        key = settings.return_key
        signed = check_return(request.rel_url.raw_query_string, return_url=registered, key=key, at=at)
        return web.Response(text=pages.complete(self.shop, signed), content_type="text/html")

    async def home(self, request: web.Request) -> web.Response:
        return web.Response(text=pages.home(self.shop), content_type="text/html")

    async def buy(self, request: web.Request) -> web.Response:
        name = str((await request.post()).get("name"))
        if name not in pages.GOODS:
            raise web.HTTPBadRequest(text="그런 상품은 없습니다.")
        purchase = self.shop.buy(name, pages.GOODS[name])
        link = f"/checkout/{quote(purchase.order)}" if "here" in request.query else pay_link(self.shop, purchase)
        return web.Response(status=303, headers={"Location": link})

    async def checkout(self, request: web.Request) -> web.Response:
        try:
            purchase = self.shop.purchase(request.match_info["order"])
        except KeyError:
            raise web.HTTPNotFound(text="그런 주문은 없습니다.") from None
        page = pages.checkout(self.shop, purchase, window_of(self.shop, purchase))
        return web.Response(text=page, content_type="text/html")

    async def check(self, request: web.Request) -> web.Response:
        """Say what the shop believes of a result that its page handed over: signed for its own origin, or nothing."""
        settings = self.shop.settings
        origin = str(URL(settings.return_url).origin())
        signed = check_return(await request.text(), return_url=origin, key=settings.return_key, at=self.shop.now())
        told = signed or {}
        return web.json_response(
            {"signed": signed is not None, "order": told.get("pr_order"), "status": told.get("pr_status")}
        )

    async def received(self, request: web.Request) -> web.Response:
        items = self.shop.received(order=request.query.get("order", ""))
        return web.json_response([item.as_json() for item in items])

    async def fulfilled(self, request: web.Request) -> web.Response:
        return web.json_response(self.shop.fulfilled())

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def configure(self, request: web.Request) -> web.Response:
        return await _changed(request, lambda form: self.shop.configure(**form) and {"ok": True})

    async def order(self, request: web.Request) -> web.Response:
        def make(form: dict[str, Any]) -> dict[str, str]:
            purchase = self.shop.buy(str(form["name"]), int(form["amount"]), order=str(form.get("order", "")))
            return {"order": purchase.order, "pay_url": pay_link(self.shop, purchase)}

        return await _changed(request, make)

    async def add_fault(self, request: web.Request) -> web.Response:
        return await _changed(request, lambda form: self.shop.faults.add(fault_from_json(form)) and {"ok": True})

    async def clear_faults(self, request: web.Request) -> web.Response:
        self.shop.faults.clear()
        return web.json_response({"ok": True})

    async def forget(self, request: web.Request) -> web.Response:
        self.shop.forget()
        return web.json_response({"ok": True})


def _answer_to(received: Received) -> web.Response:
    if received.verified:
        return web.json_response({"ok": True})
    return web.json_response({"error": "the signature does not verify"}, status=400)


async def _changed(request: web.Request, change: Callable[[dict[str, Any]], object]) -> web.Response:
    """Apply a control request; what makes no sense is answered 400."""
    try:
        return web.json_response(change(await request.json()))
    except (KeyError, TypeError, ValueError) as error:
        return web.json_response({"error": str(error)}, status=400)
