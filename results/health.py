"""What an endpoint's attempts say of it, kept in its row: warned about, only probed, called no more, or back.

Only failures, and successes of an endpoint that was failing, come here: a healthy endpoint's row is never written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import structlog

from results.backlog import backlog_of, drop_duties, owe_backlog, owe_probe
from results.core.health import Change, Health, Why, after_failure, after_success, wait_before_probe, without_backlog
from results.core.ids import encode
from results.core.result import written_time
from results.core.words import EventType
from results.models import Endpoint
from results.tell import announce
from tenants.mail import Letter, write_to_members
from tenants.routing import Route

log = structlog.get_logger()

FIELDS: Final = (
    *("failures", "failing_since", "warned_at", "opened_at", "probes"),
    *("disabled_at", "disabled_because"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt says of its endpoint. `asked_until` is a moment before which it asked not to be called."""

    endpoint: UUID
    heard: bool
    gone: bool
    probe: bool
    test: bool
    jitter: float
    asked_until: datetime | None = None


def note(route: Route, endpoints: Iterable[Endpoint], outcomes: Sequence[Outcome], *, at: datetime) -> None:
    """Keep what attempts say of their endpoints, and do what follows. The caller holds the endpoints' rows."""
    for endpoint in endpoints:
        for outcome in outcomes:
            if outcome.endpoint != endpoint.id:
                continue
            if outcome.test:
                _hasten_probe(route, endpoint, at=at)
            else:
                _note(route, endpoint, outcome, at=at)
        endpoint.save(update_fields=FIELDS)


def _hasten_probe(route: Route, endpoint: Endpoint, *, at: datetime) -> None:
    """Let an endpoint be probed at once that has heard a test."""
    if endpoint.opened_at and not endpoint.paused_at:
        owe_probe(route, endpoint.id, due_at=at)


def _note(route: Route, endpoint: Endpoint, outcome: Outcome, *, at: datetime) -> None:
    before = health_of(endpoint)
    if outcome.heard:
        after, changes = after_success(before)
    else:
        after, changes = after_failure(before, gone=outcome.gone, probe=outcome.probe, at=at)
    keep(endpoint, after, at=at)
    _follow(route, endpoint, changes, at=at)
    if after.opened_at and not endpoint.paused_at and (outcome.probe or Change.OPEN in changes):
        wait = wait_before_probe(after.probes, jitter=outcome.jitter)
        owe_probe(route, endpoint.id, due_at=max(at + wait, outcome.asked_until or at))


def _follow(route: Route, endpoint: Endpoint, changes: set[Change], *, at: datetime) -> None:
    # A request may have been under way when the endpoint was paused; what rests is owed nothing until it is resumed.
    if Change.CLOSE in changes and not endpoint.paused_at:
        waited = owe_backlog(route, endpoint.id, at=at)
        log.info("endpoint_is_back", **_facts(route, endpoint), backlog=waited)
    if Change.OPEN in changes:
        drop_duties(endpoint.id)
        log.warning("endpoint_only_probed", **_facts(route, endpoint), failures=endpoint.failures)
    if Change.WARN in changes:
        log.warning("endpoint_failing", **_facts(route, endpoint), since=written_time(endpoint.failing_since or at))
        _write(Letter.ENDPOINT_FAILING, route, endpoint, at=at)
    if Change.DISABLE in changes:
        drop_duties(endpoint.id)
        _tell_disabled(route, endpoint, at=at)


def _tell_disabled(route: Route, endpoint: Endpoint, *, at: datetime) -> None:
    """Say loudly that an endpoint is called no more: its merchant hears nothing there until it is mended."""
    log.warning("endpoint_disabled", **_facts(route, endpoint), because=endpoint.disabled_because)
    told = {
        "id": encode("end", endpoint.id),
        "host": host_of(endpoint),
        "reason": endpoint.disabled_because,
        "disabled_at": written_time(at),
        "failing_since": written_time(endpoint.failing_since) if endpoint.failing_since else None,
    }
    announce(route, EventType.ENDPOINT_DISABLED, {"endpoint": told}, at=at, but=endpoint.id)
    _write(Letter.ENDPOINT_DISABLED, route, endpoint, at=at)


def _write(letter: Letter, route: Route, endpoint: Endpoint, *, at: datetime) -> None:
    write_to_members(letter, merchant=route.merchant_id, mode=route.mode, subject=host_of(endpoint), at=at)


def host_of(endpoint: Endpoint) -> str:
    """Return how people know an endpoint. Never the whole URL, whose path may hold a secret."""
    return urlsplit(endpoint.url).netloc


def _facts(route: Route, endpoint: Endpoint) -> dict[str, str]:
    return {"merchant": str(route.merchant_id), "mode": route.mode, "endpoint": str(endpoint.id)}


def give_up_probing(endpoint: Endpoint, *, at: datetime) -> bool:
    """Let an endpoint be called again that has nothing left to be probed with; say whether that is so.

    The caller holds the endpoint's row.
    """
    if not endpoint.opened_at or backlog_of(endpoint.id).exists():
        return False
    keep(endpoint, without_backlog(health_of(endpoint)), at=at)
    endpoint.save(update_fields=FIELDS)
    drop_duties(endpoint.id)
    return True


def health_of(endpoint: Endpoint) -> Health:
    return Health(
        failures=endpoint.failures,
        failing_since=endpoint.failing_since,
        warned_at=endpoint.warned_at,
        opened_at=endpoint.opened_at,
        probes=endpoint.probes,
        disabled=Why(endpoint.disabled_because or Why.FAILING) if endpoint.disabled_at else None,
    )


def keep(endpoint: Endpoint, health: Health, *, at: datetime) -> None:
    """Put what is known of an endpoint into its row, which the caller saves."""
    endpoint.failures, endpoint.failing_since = health.failures, health.failing_since
    endpoint.warned_at, endpoint.opened_at, endpoint.probes = health.warned_at, health.opened_at, health.probes
    if health.disabled and not endpoint.disabled_at:
        endpoint.disabled_at, endpoint.disabled_because = at, health.disabled
