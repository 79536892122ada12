"""Forget what was kept for a while only: the sealed bytes of arrivals and of PortOne's answers."""

import time
from datetime import UTC, datetime
from typing import Final

import structlog
from django.db import DatabaseError
from django.db.models import Model

from results.models import Notification, Verification
from tenants.models import Merchant
from tenants.routing import inside

log = structlog.get_logger()

ROWS_A_TIME: Final = 1_000
SECONDS_A_RUN: Final = 5.0


def forget_expired_everywhere() -> None:
    """Forget for every merchant, for a few seconds; one merchant's fault is not another's.

    What is left is forgotten next time, so that a worker which is asked to stop need not wait long.
    """
    ends = time.monotonic() + SECONDS_A_RUN
    for merchant in Merchant.objects.ready().order_by("?"):
        if time.monotonic() > ends:
            return
        try:
            with inside(merchant.schema_name):
                forget_expired(at=datetime.now(UTC))
        except DatabaseError as error:
            log.error("forgetting_failed", merchant=str(merchant.id), error=type(error).__name__)


def forget_expired(*, at: datetime) -> int:
    """Drop the sealed raw bytes whose time is over, one batch of each kind; return how many rows lost theirs."""
    return sum(_forget(model, at=at) for model in (Notification, Verification))


def _forget(model: type[Model], *, at: datetime) -> int:
    rows = model._default_manager.filter(raw_expires_at__lte=at).values("pk")[:ROWS_A_TIME]
    return model._default_manager.filter(pk__in=rows).update(raw=None, raw_expires_at=None)
