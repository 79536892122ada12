"""What a story does with the product's own functions, in a process of the installation: see `Installation.call`."""

from datetime import UTC, datetime

from django.db import transaction

from results.backlog import lock, owe_backlog
from results.core.words import EventType
from results.models import Endpoint
from results.tell import announce
from tenants.models import Merchant
from tenants.routing import Route, find_mode, inside


def announce_many(schema: str, count: int) -> None:
    """Owe so many events to all endpoints of a merchant."""
    with inside(schema), transaction.atomic():
        for number in range(count):
            announce(live(schema), EventType.RECONCILIATION_GAP, {"account": {"number": number}}, at=datetime.now(UTC))


def owe_again(schema: str) -> None:
    """Let the circuits of a merchant close, and owe the whole backlog at once."""
    with inside(schema), transaction.atomic():
        for endpoint in lock(Endpoint.objects.values_list("id", flat=True)):
            Endpoint.objects.filter(id=endpoint.id).update(opened_at=None, failures=0, probes=0, failing_since=None)
            owe_backlog(live(schema), endpoint.id, at=datetime.now(UTC))


def live(schema: str) -> Route:
    route = find_mode(Merchant.objects.get(schema_name=schema).id, "live")
    assert route is not None
    return route
