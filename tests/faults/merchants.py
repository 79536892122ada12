"""The merchants of an installation that is killed: what they do, what they heard, and what is written down for them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from deploy.demo.shop import Shop
from deploy.demo.shop import running as running_shop
from deploy.demo.simulator import Simulator
from tests.faults.processes import Installation

AMOUNT = 64900


@dataclass(slots=True)
class Merchant:
    """One merchant of these stories: made by the real command, with a shop and an account at PortOne."""

    name: str
    shop: Shop
    installation: Installation
    facts: dict[str, str] = field(repr=False)
    schema: str = ""
    more_shops: tuple[Shop, ...] = ()

    @property
    def shops(self) -> tuple[Shop, ...]:
        return (self.shop, *self.more_shops)

    @property
    def portone(self) -> Simulator:
        return self.installation.portone

    def expects(self, *orders: str) -> None:
        for order in orders:
            which = ("--merchant", self.facts["merchant"], "--mode", "live", "--order", order)
            self.installation.command("register_order", *which, "--amount", str(AMOUNT))

    def adds_endpoint(self, url: str) -> str:
        """Add an endpoint by the real command; return its signing secret."""
        which = ("--merchant", self.facts["merchant"], "--mode", "live", "--json")
        return str(json.loads(self.installation.command("endpoint", "add", *which, "--url", url))["signing_secret"])

    def opens_window(self, order: str) -> str:
        return self.portone.open_window(self.name, merchant_uid=order, amount=AMOUNT)

    def is_paid(self, order: str, *, webhook: bool = False) -> str:
        """Let a customer pay at PortOne; unless asked for, PortOne keeps it to itself."""
        imp_uid = self.opens_window(order)
        self.portone.approve(imp_uid, webhook=webhook)
        return imp_uid

    def is_called_about(self, imp_uid: str, order: str, status: str = "paid") -> int:
        """Let PortOne's webhook come in; return the status of our answer."""
        body = {"imp_uid": imp_uid, "merchant_uid": order, "status": status}
        return httpx.post(self.facts["webhook_url"], json=body, trust_env=False, timeout=20).status_code

    def lands(self, **said: str) -> int:
        """Let a customer's browser come back; return the status of our answer."""
        return httpx.get(self.facts["redirect_url"], params=said, trust_env=False, timeout=20).status_code

    def gives_up(self) -> None:
        """Let nothing be owed any more that was not heard."""
        owed = f"{self.schema}.results_delivery SET given_up_at = now() WHERE delivered_at IS NULL"
        self.installation.query(f"UPDATE {owed} AND given_up_at IS NULL RETURNING id")

    def told(self, order: str) -> list[str]:
        """Return the types of the events that the shop heard and verified, each once."""
        return [event["type"] for event in self.shop.events(order=order)]

    def heard(self, order: str) -> set[tuple[str, bytes]]:
        """Return id and bytes of every callback about an order; one that came twice alike counts once."""
        return {(item.headers["webhook-id"], item.body) for item in self.shop.received(order=order)}

    def notifications(self, order: str) -> int:
        """Return how many arrivals about an order are written down."""
        count = f"SELECT count(*) FROM {self.schema}.results_notification WHERE merchant_uid = %s"
        return int(self.installation.query(count, order)[0][0])

    def events(self, order: str) -> list[tuple[int, str]]:
        """Return sequence and type of the events that are written down."""
        statement = "SELECT event.sequence, event.type {} ORDER BY event.sequence"
        return [(row[0], row[1]) for row in self._of_events(statement, order)]

    def deliveries(self, order: str) -> list[tuple[bool, int]]:
        """Return of each delivery whether it was made, and how many attempts are written down."""
        attempts = "SELECT count(*) FROM {schema}.results_attempt WHERE delivery_id = delivery.id"
        return [
            (row[0], row[1])
            for row in self._of_events(f"SELECT delivery.delivered_at IS NOT NULL, ({attempts}) {{}}", order)
        ]

    def _of_events(self, statement: str, order: str) -> list[tuple[Any, ...]]:
        joined = (
            "FROM {schema}.results_event AS event"
            " JOIN {schema}.results_order AS ordered ON ordered.id = event.order_id"
            " JOIN {schema}.results_delivery AS delivery ON delivery.event_id = event.id"
            " WHERE ordered.merchant_uid = %s"
        )
        text = statement.replace("{}", joined).replace("{schema}", self.schema)
        return self.installation.query(text, order)


@contextmanager
def merchant_of(installation: Installation, name: str) -> Iterator[Merchant]:
    """Make a merchant by the real command, in live mode, with a shop that serves until the end."""
    shop = Shop()
    with running_shop(shop) as shop_url:
        keys = ("--imp-key", name, "--imp-secret", "not-a-secret", "--callback-url", f"{shop_url}/callback")
        who = ("--name", name, "--owner-email", f"owner@{name}.example", "--mode", "live")
        facts = json.loads(installation.command("create_merchant", *who, *keys, "--json"))
        shop.configure(signing_secret=facts["signing_secret"])
        installation.portone.add_account(name, "not-a-secret", notice_url=facts["webhook_url"])
        schema = installation.query("SELECT schema_name FROM tenants_merchant WHERE name = %s", name)
        yield Merchant(name, shop, installation, facts, str(schema[0][0]))
