"""What the stories of payments, events, deliveries and replays share: payments that came about, many of them too."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from results.core.ids import encode
from results.core.snapshot import Snapshot
from results.core.words import Cause
from results.models import Delivery, Endpoint
from results.publish import publish_snapshot
from tenants.routing import inside
from tests.api.conftest import Server
from tests.factories import Cast, add_endpoint

Work = Callable[..., None]
START = datetime(2026, 11, 20, 3, tzinfo=UTC)


def pays(cast: Cast, run_worker: Work, order: str = "order-1", amount: int = 64900, *, expected: bool = True) -> str:
    """Let a customer pay an order, and the shop hear of it; the payment's id in the API."""
    if expected:
        cast.expects(order)
    imp_uid = cast.opens_window(order, amount)
    cast.portone.approve(imp_uid)
    run_worker(until=lambda: bool(cast.told(order)))
    run_worker()
    return encode("pay", cast.payment(imp_uid).id)


def pays_too_little(cast: Cast, run_worker: Work, order: str = "order-1") -> str:
    """Let a customer pay 100 for 64,900, which is reviewed; the payment's id in the API."""
    return pays(cast, run_worker, order, 100)


def snapshot(number: int, *, order: str = "", at: datetime | None = None, **fields: Any) -> Snapshot:
    """Return what PortOne might say of the nth payment."""
    said: dict[str, Any] = {
        "imp_uid": f"imp_{number:012}",
        "merchant_uid": order or f"order-{number}",
        "status": "paid",
        "amount": Decimal(64900),
        "cancel_amount": Decimal(0),
        "currency": "KRW",
        "sandbox": False,
        "asked_at": at or datetime.now(UTC),
        "pay_method": "card",
        "paid_at": datetime.now(UTC) - timedelta(minutes=1),
    }
    return Snapshot(**said | fields)


def publishes(cast: Cast, *snapshots: Snapshot) -> list[str]:
    """Let answers of PortOne be published, without a worker; the payments' ids in the API."""
    made = []
    with inside(cast.merchant.schema_name):
        for one in snapshots:
            payment = publish_snapshot(cast.route, one, cause=Cause.WEBHOOK, named_by_claim=True, at=datetime.now(UTC))
            assert payment is not None
            made.append(encode("pay", payment.id))
    return made


def has_much(cast: Cast, count: int = 100) -> None:
    """Let there be so many payments, each told to three endpoints."""
    for name in ("warehouse", "ledger"):
        add_endpoint(cast, f"https://{name}.example/in")
    publishes(cast, *(snapshot(number) for number in range(count)))


def delivery_of(cast: Cast, event: str, host: str = "") -> str:
    """Return the id in the API of the delivery of an event to an endpoint, the only one if none is named."""
    with inside(cast.merchant.schema_name):
        rows = [
            row
            for row in Delivery.objects.select_related("endpoint")
            if encode("evt", row.event_id) == event and host in row.endpoint.url
        ]
    return encode("dlv", rows[0].id)


def endpoint_of(cast: Cast, host: str = "") -> str:
    return encode("end", next(row.id for row in cast.rows(Endpoint) if host in row.url))


def queries_of(server: Server, path: str) -> tuple[int, int]:
    """Ask from within this thread; return how many items came and how many statements that cost, but SET."""
    with CaptureQueriesContext(connection) as captured:
        answer = Client().get(f"/api/v1{path}", headers={"Authorization": f"Bearer {server.key}"})
    assert answer.status_code == 200, answer.content
    return len(answer.json()["data"]), len([one for one in captured if not one["sql"].startswith("SET ")])
