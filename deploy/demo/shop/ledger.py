"""What was the shop told, what does it believe, and which orders did it fulfil?"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from ..mischief import Faults
from .received import Received, read_event, value_at

FULFIL = "payment.paid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the shop was given when it signed up, and where its customers go to pay.

    Several signing secrets may be good at once, while one of them is being replaced.
    """

    signing_secrets: tuple[str, ...] = field(default=(), repr=False)
    return_key: str = field(default="", repr=False)
    order_key: str = field(default="", repr=False)
    order_kid: str = "ok_1"
    merchant: str = ""
    mode: str = "test"
    return_url: str = ""
    redirect_url: str = ""
    notice_url: str = ""
    pay_url: str = ""
    user_code: str = ""
    script_integrity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """Something a customer set out to buy; amounts are in minor units of a currency without any (won)."""

    order: str
    name: str
    amount: int


class Shop:
    """A merchant's server in memory; every method may be called from any thread."""

    def __init__(
        self,
        *,
        signing_secret: str | tuple[str, ...] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        order_prefix: str = "order-",
        **settings: str,
    ) -> None:
        secrets = (signing_secret,) if isinstance(signing_secret, str) else signing_secret
        self.settings = Settings(signing_secrets=tuple(filter(None, secrets)), **settings)
        self.now = now
        self.faults = Faults()
        self._order_prefix = order_prefix
        self._changed = threading.Condition()
        self._received: list[Received] = []
        self._acted: set[str] = set()
        self._newest: dict[str, tuple[int, dict[str, Any]]] = {}
        self._versions: dict[str, int] = {}
        self._fulfilled: dict[str, dict[str, Any]] = {}
        self._purchases: dict[str, Purchase] = {}

    def configure(self, **changes: Any) -> Settings:
        """Change settings; `signing_secret` may be one or a list."""
        if "signing_secret" in changes:
            secrets = changes.pop("signing_secret")
            changes["signing_secrets"] = (secrets,) if isinstance(secrets, str) else tuple(secrets)
        self.settings = replace(self.settings, **changes)
        return self.settings

    def buy(self, name: str, amount: int, *, order: str = "") -> Purchase:
        with self._changed:
            number = len(self._purchases) + 1
            purchase = Purchase(order=order or f"{self._order_prefix}{number:04d}", name=name, amount=amount)
            self._purchases[purchase.order] = purchase
        return purchase

    def receive(self, headers: Mapping[str, str], body: bytes) -> Received:
        """Keep a callback and, if it verifies, act on it; nobody sees the one without the other."""
        with self._changed:
            received = self.write_down(headers, body)
            if received.verified:
                self.act_on(received)
        return received

    def write_down(self, headers: Mapping[str, str], body: bytes) -> Received:
        """Keep a callback, verified by the reference library or not; do nothing about it yet."""
        lower = {name.lower(): value for name, value in headers.items()}
        refusal = self._refusal(lower, body)
        with self._changed:
            received = Received(
                at=self.now(),
                headers=lower,
                body=body,
                event=read_event(body),
                verified=not refusal,
                duplicate=lower.get("webhook-id", "") in self._acted,
                refusal=refusal,
            )
            self._received.append(received)
            self._changed.notify_all()
        return received

    def act_on(self, received: Received) -> None:
        """Believe a verified callback, once per webhook-id; older news about a payment changes nothing."""
        with self._changed:
            webhook_id = received.headers["webhook-id"]
            if webhook_id in self._acted:
                return
            self._acted.add(webhook_id)
            self._remember_newest(received)
            if self._is_news(received.event) and _is_fulfil_signal(received.event):
                self._fulfilled.setdefault(received.order, received.event)
            self._changed.notify_all()

    def received(self, *, order: str = "") -> list[Received]:
        with self._changed:
            return [item for item in self._received if order in ("", item.order)]

    def events(self, *, order: str = "") -> list[dict[str, Any]]:
        """Return the verified events, each once, in order of arrival."""
        items = self.received(order=order)
        return list({item.headers["webhook-id"]: item.event for item in items if item.verified}.values())

    def acted_on(self) -> frozenset[str]:
        """Return the ids of the callbacks that the shop believed and acted on, each of them once."""
        with self._changed:
            return frozenset(self._acted)

    def fulfilled(self) -> dict[str, dict[str, Any]]:
        """Return the event that made the shop send the goods, by order."""
        with self._changed:
            return dict(self._fulfilled)

    def purchase(self, order: str) -> Purchase:
        """Return what is bought by this order; raise KeyError."""
        with self._changed:
            return self._purchases[order]

    def purchases(self) -> list[Purchase]:
        with self._changed:
            return list(self._purchases.values())

    def standing(self, order: str) -> str:
        """Return the order's newest known roll-up status, or an empty string."""
        with self._changed:
            event = self._newest.get(order, (0, {}))[1]
        return str(value_at(event, "data", "order", "status") or "")

    def forget(self) -> None:
        """Forget what was received; orders and settings stay."""
        with self._changed:
            self._received.clear()
            for memory in (self._acted, self._newest, self._versions, self._fulfilled):
                memory.clear()

    def wait_for(self, count: int, *, order: str = "", timeout: float = 30.0) -> list[Received]:
        """Block until so many callbacks arrived; raise TimeoutError otherwise. For tests."""
        self.wait_until(lambda: len(self.received(order=order)) >= count, timeout=timeout)
        return self.received(order=order)

    def wait_until(self, true: Callable[[], object], *, timeout: float = 30.0) -> None:
        """Block until something is true of this shop; raise TimeoutError otherwise. For tests."""
        with self._changed:
            if not self._changed.wait_for(true, timeout):
                raise TimeoutError(f"{len(self._received)} callbacks arrived, which was not enough")

    def _refusal(self, headers: Mapping[str, str], body: bytes) -> str:
        """Return why this callback is not believed, or an empty string."""
        for secret in self.settings.signing_secrets:
            try:
                Webhook(secret).verify(body, dict(headers))
            except Exception as error:  # the library lets ValueError, IndexError and others through
                refusal = f"{type(error).__name__}: {error}"
            else:
                return ""
        return refusal if self.settings.signing_secrets else "no signing secret is set"

    def _remember_newest(self, received: Received) -> None:
        sequence = received.event.get("sequence") or 0
        if sequence >= self._newest.get(received.order, (0, {}))[0]:
            self._newest[received.order] = (sequence, received.event)

    def _is_news(self, event: dict[str, Any]) -> bool:
        """Tell whether no later version of this payment is known: what is cancelled is not paid any more."""
        payment = str(value_at(event, "data", "payment", "id"))
        version = value_at(event, "data", "payment", "version") or 0
        if version < self._versions.get(payment, 0):
            return False
        self._versions[payment] = version
        return True


def _is_fulfil_signal(event: dict[str, Any]) -> bool:
    matched = value_at(event, "data", "payment", "verification", "result") == "matched"
    return event.get("type") == FULFIL and matched
