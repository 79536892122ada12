"""Is this process alive, and is it of use? Answered before any merchant's work."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.http import HttpRequest, HttpResponse, JsonResponse

from tenants.models import Duty

TOO_LATE: Final = timedelta(minutes=2)


def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process answers; no database is asked."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether database, migrations and queue allow work; 503 names what does not."""
    faults, warnings = find_faults(at=datetime.now(UTC))
    return JsonResponse({"ready": not faults, "faults": faults, "warnings": warnings}, status=503 if faults else 200)


def find_faults(*, at: datetime) -> tuple[list[str], list[str]]:
    """Return what keeps this process from being of use, and what should worry an operator, each with its mend.

    A queue that lags is only a warning: arrivals are written down all the same, and a load balancer that took the
    web side away for it would lose webhooks, which come once.
    """
    try:
        faults = [] if public_schema_is_current() else ["The database lacks migrations; run: manage.py migrate"]
        lag = queue_lag(at=at)
    except DatabaseError as error:
        connection.close()
        return [f"The database does not answer ({type(error).__name__}); check DATABASE_URL and the server."], []
    late = f"The oldest duty waits {lag.total_seconds():.0f} s; start another worker: manage.py worker"
    return faults, [late] if lag > TOO_LATE else []


def queue_lag(*, at: datetime) -> timedelta:
    """Return how long the oldest duty has been due."""
    oldest = Duty.objects.aggregate(oldest=Min("due_at"))["oldest"]
    return max(timedelta(0), at - oldest) if oldest else timedelta(0)


def public_schema_is_current() -> bool:
    return _seen_current() if _seen_current.cache_info().currsize else _look()


def _look() -> bool:
    executor = MigrationExecutor(connection)
    current = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    if current:
        _seen_current()
    return current


@lru_cache(maxsize=1)
def _seen_current() -> bool:
    """Remember a good answer: migrations only move forward while a process lives."""
    return True
