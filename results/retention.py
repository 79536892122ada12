"""Forget what was kept for a while only: the sealed bytes of arrivals and of PortOne's answers."""

from datetime import UTC, datetime
from typing import Final

from django.db.models import Model

from results.models import Notification, Verification
from tenants.models import Merchant
from tenants.routing import inside

ROWS_A_TIME: Final = 1_000


def forget_expired_everywhere() -> None:
    """Forget for every merchant; one merchant's fault is not another's."""
    for merchant in Merchant.objects.ready().order_by("id"):
        with inside(merchant.schema_name):
            forget_expired(at=datetime.now(UTC))


def forget_expired(*, at: datetime) -> int:
    """Drop the sealed raw bytes whose time is over, in small batches; return how many rows lost theirs."""
    return sum(_forget(model, at=at) for model in (Notification, Verification))


def _forget(model: type[Model], *, at: datetime) -> int:
    forgotten = 0
    while True:
        rows = model._default_manager.filter(raw_expires_at__lte=at).values("pk")[:ROWS_A_TIME]
        count = model._default_manager.filter(pk__in=rows).update(raw=None, raw_expires_at=None)
        forgotten += count
        if count < ROWS_A_TIME:
            return forgotten
