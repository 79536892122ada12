"""The cast: merchants with a shop of their own, and what their customers and PortOne do."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx

from deploy.demo.shop import Shop
from deploy.demo.simulator import Simulator
from results.core.ids import encode
from results.core.money import Money
from results.core.order_token import OrderKey, OrderToken, make_token
from results.core.signing import SigningSecret
from results.endpoints import create_endpoint
from results.models import Endpoint, Event, Notification, Order, Payment
from results.portone import seal_credential
from results.publish import register_order
from tenants import routing
from tenants.fields import Mode, new_id
from tenants.models import Credential, Merchant, MerchantMode, RouteKey
from tenants.onboarding import NewKeys, issue_keys, provision, register_merchant, set_policy
from tenants.routing import Route, find_mode, forget_everything, inside

WON = Money(64900, "KRW", 0)


@dataclass(slots=True)
class Cast:
    """One merchant of a story: what it has here, its PortOne account and its shop."""

    merchant: Merchant
    mode: str
    portone: Simulator
    shop: Shop
    web: str
    keys: NewKeys = field(repr=False)
    imp_key: str
    return_url: str = ""

    @property
    def route(self) -> Route:
        route = find_mode(self.merchant.id, self.mode)
        assert route is not None
        return route

    def key(self, kind: str) -> RouteKey:
        return RouteKey.objects.get(merchant=self.merchant, mode=self.mode, kind=kind, works_until=None)

    @property
    def webhook_url(self) -> str:
        return f"{self.web}/webhook/{self.key('webhook').key}"

    @property
    def redirect_url(self) -> str:
        return f"{self.web}/m/{self.key('browser').key}/complete"

    def opens_window(self, order: str, amount: int = 64900, **fields: Any) -> str:
        """Let a customer open the payment window; the payment's id."""
        fields.setdefault("sandbox", self.mode == Mode.TEST)
        return self.portone.open_window(self.imp_key, merchant_uid=order, amount=amount, **fields)

    def expects(self, order: str, amount: int = 64900, currency: str = "KRW", exponent: int = 0) -> None:
        """Register an order, as the shop's server does before the window opens."""
        with inside(self.merchant.schema_name):
            money = Money(amount, currency, exponent)
            register_order(self.route, merchant_uid=order, money=money, at=datetime.now(UTC))

    def signs(
        self,
        order: str = "order-1",
        money: Money = WON,
        *,
        ends: timedelta = timedelta(hours=1),
        key: str = "",
        kid: str = "ok_1",
        mode: str = "",
    ) -> str:
        """Return an order token as the shop's server makes it; `ends` counts from now."""
        merchant, expires_at = encode("mer", self.merchant.id), datetime.now(UTC) + ends
        token = OrderToken(kid, merchant, mode or self.mode, order, money, expires_at)
        return make_token(token, key=OrderKey(kid, key or self.keys.order_key))

    def chooses(self, **switches: object) -> None:
        """Let the merchant change what it chose for this mode."""
        MerchantMode.objects.filter(merchant=self.merchant, mode=self.mode).update(**switches)
        forget_everything()

    def is_called_about(self, imp_uid: str, order: str, status: str = "paid", **more: str) -> httpx.Response:
        """Let PortOne's webhook come in."""
        body = {"imp_uid": imp_uid, "merchant_uid": order, "status": status} | more
        return httpx.post(self.webhook_url, json=body, trust_env=False)

    def lands(self, **said: str) -> httpx.Response:
        """Let a customer's browser come back with these parameters."""
        return httpx.get(f"{self.redirect_url}?{urlencode(said)}", trust_env=False)

    def events(self, order: str = "") -> list[dict[str, Any]]:
        """Return the events that the shop heard and verified, each once, by sequence: callbacks may overtake others."""
        return sorted(self.shop.events(order=order), key=lambda event: event["sequence"] or 0)

    def told(self, order: str = "") -> list[str]:
        """Return the types of those events."""
        return [event["type"] for event in self.events(order)]

    def rows(self, model: type[Any]) -> list[Any]:
        with inside(self.merchant.schema_name):
            return list(model.objects.order_by("id"))

    def order(self, merchant_uid: str) -> Order:
        with inside(self.merchant.schema_name):
            return Order.objects.get(mode=self.mode, merchant_uid=merchant_uid)

    def payment(self, imp_uid: str | None) -> Payment:
        with inside(self.merchant.schema_name):
            return Payment.objects.get(mode=self.mode, imp_uid=imp_uid)

    def notifications(self) -> list[Notification]:
        return self.rows(Notification)

    def published(self) -> list[Event]:
        return self.rows(Event)


def let_routes_expire() -> None:
    """Let the time go by after which this process looks route keys up again."""
    routing._routes.expire(time.monotonic() + routing.REMEMBERED_SECONDS + 1)


def make_merchant(name: str) -> Merchant:
    at = datetime.now(UTC)
    merchant = register_merchant(name=name, owner_email=f"owner@{name}.example", actor="tests", at=at)
    return provision(merchant, at=at)


def set_up(
    merchant: Merchant,
    mode: str,
    *,
    portone: Simulator,
    shop: Shop,
    shop_url: str,
    web: str,
    imp_key: str = "",
    **account: Any,
) -> Cast:
    """Give a merchant's mode everything that a story needs: a PortOne account too, unless it shares `imp_key`'s."""
    at = datetime.now(UTC)
    set_policy(merchant, mode, policy="open", return_urls=[f"{shop_url}/orders/complete"], origins=[])
    keys = issue_keys(merchant, mode, actor="tests", at=at)
    cast = Cast(merchant, mode, portone, shop, web, keys, imp_key or f"{merchant.name}-{mode}")
    credential = Credential(id=new_id(), merchant=merchant, mode=mode, created_at=at)
    seal_credential(credential, cast.route.open_vault(), imp_key=cast.imp_key, imp_secret="not-a-secret")
    credential.save()
    notices = {"notice_url": cast.webhook_url, "test_notice_url": cast.webhook_url}
    if not imp_key:
        portone.add_account(cast.imp_key, "not-a-secret", **notices | account)
    secret = add_endpoint(cast, f"{shop_url}/callback")
    cast.return_url = f"{shop_url}/orders/complete"
    shop.configure(signing_secret=secret.to_text(), return_key=cast.keys.return_key, return_url=cast.return_url)
    return cast


def add_endpoint(cast: Cast, url: str, **fields: Any) -> SigningSecret:
    with inside(cast.merchant.schema_name):
        endpoint, secret = create_endpoint(cast.route, url=url, actor="tests", at=datetime.now(UTC))
        Endpoint.objects.filter(id=endpoint.id).update(**fields) if fields else None
    return secret


def parameters(imp_uid: str | None, order: str | None, **more: str) -> Mapping[str, str]:
    named = {"imp_uid": imp_uid, "merchant_uid": order}
    return {name: value for name, value in named.items() if value} | more


def page_of(landing: httpx.Response) -> str:
    """Return the address of the page that a landing was sent to."""
    assert landing.status_code == 303
    return str(landing.headers["location"])


def state_of(landing: httpx.Response) -> str:
    """Return what the page of a landing says by now, which it answers a script, too."""
    page = page_of(landing)
    before = read_state(page)
    drawn = httpx.get(page, trust_env=False)
    after = read_state(page)  # it may change between two looks
    assert drawn.status_code == 200
    assert any(f'data-state="{state}"' in drawn.text for state in (before, after))
    return after


def read_state(page: str) -> str:
    return str(httpx.get(f"{page}/status", trust_env=False).json()["state"])
