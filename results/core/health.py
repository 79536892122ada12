"""How well is an endpoint, going by what its last attempts came to, and what follows when that changes?

A *failure* is any attempt that was not answered 2xx. After ten in a row the circuit opens: the backlog waits, and one
delivery at a time is sent to see whether the endpoint is back. Clock and chance are arguments.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

OPENS_AFTER = 10  # failures in a row
WARNS_AFTER = timedelta(hours=1)  # of nothing but failure
DISABLES_AFTER = timedelta(days=5)
# How long after the circuit opened, or after each failed probe, the next probe comes; afterwards every LAST_PROBE. A
# shop that was down for days hears everything within the last of these after it is back.
PROBES: tuple[timedelta, ...] = (
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=2),
    timedelta(minutes=5),
)
LAST_PROBE = timedelta(minutes=10)
JITTER = 0.2  # as a share of the wait, to either side


class Why(StrEnum):
    """Why an endpoint is called no more."""

    GONE = "gone"
    FAILING = "failing"


class Change(StrEnum):
    """What has to be done about an endpoint because of its last attempt."""

    WARN = "warn"
    OPEN = "open"
    CLOSE = "close"
    DISABLE = "disable"


@dataclass(frozen=True, slots=True)
class Health:
    """What is remembered of an endpoint's attempts since its last success."""

    failures: int = 0
    failing_since: datetime | None = None
    warned_at: datetime | None = None
    opened_at: datetime | None = None
    probes: int = 0
    disabled: Why | None = None


def after_success(health: Health) -> tuple[Health, set[Change]]:
    """Return the state after a 2xx, and what follows: an open circuit closes."""
    return Health(disabled=health.disabled), {Change.CLOSE} if health.opened_at else set()


def after_failure(health: Health, *, gone: bool, probe: bool, at: datetime) -> tuple[Health, set[Change]]:
    """Return the state after an attempt that failed at that moment, and what follows. `gone` is for a 410."""
    since = health.failing_since or at
    failed = replace(health, failures=health.failures + 1, failing_since=since, probes=health.probes + probe)
    if health.disabled:
        return failed, set()
    if gone or at - since >= DISABLES_AFTER:
        return replace(failed, disabled=Why.GONE if gone else Why.FAILING, opened_at=None, probes=0), {Change.DISABLE}
    changes = set[Change]()
    if failed.failures >= OPENS_AFTER and not failed.opened_at:
        failed = replace(failed, opened_at=at, probes=0)
        changes.add(Change.OPEN)
    if at - since >= WARNS_AFTER and not failed.warned_at:
        failed = replace(failed, warned_at=at)
        changes.add(Change.WARN)
    return failed, changes


def without_backlog(health: Health) -> Health:
    """Return the state of an endpoint that is probed and has nothing left to be probed with.

    Its circuit is all but open: the next event goes out at once, and opens it again if it fails.
    """
    return replace(health, failures=OPENS_AFTER - 1, opened_at=None, probes=0)


def wait_before_probe(probes: int, *, jitter: float) -> timedelta:
    """Return the wait after that many failed probes. `jitter` lies in [-1, 1]."""
    wait = PROBES[probes] if probes < len(PROBES) else LAST_PROBE
    return wait * (1 + JITTER * jitter)
