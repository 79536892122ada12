"""A merchant's endpoint answered, or did not: what follows from that for the delivery?

A merchant's 500 is an ordinary day, so the answers are values. Clock and chance are arguments.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TypeAlias

# How long after the first, second, … failed attempt the next one comes; afterwards every LAST_DELAY.
DELAYS: tuple[timedelta, ...] = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
)
LAST_DELAY = timedelta(hours=12)
HORIZON = timedelta(days=7)
JITTER = 0.2  # as a share of the delay, to either side
# The slow part of the schedule begins here. A fault on the merchant's side that the same request cannot cure
# is mended by a deployment or a DNS change, which takes minutes: asking after five seconds only makes noise.
SLOW_DELAY = timedelta(minutes=10)
MAX_RETRY_AFTER = timedelta(hours=12)

_QUICK_4XX = frozenset({408, 409, 425, 429})
_ASKS_TO_WAIT = frozenset({429, 503})
_SECONDS = re.compile(r"[0-9]{1,10}")
_MAX_DATE = 64


class AttemptError(StrEnum):
    """Why there was no usable answer, as coarsely as a merchant may see it."""

    DNS = "dns"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    TLS = "tls"
    FORBIDDEN_TARGET = "forbidden_target"
    TOO_LARGE = "too_large"
    PROTOCOL = "protocol"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one request to an endpoint: a status, or an error in its place.

    `retry_after` is the header as it came, `body` the first 16 KiB after decoding, `detail` is for the
    operator only. An error stands even when a status had arrived before it.
    """

    status: int | None = None
    error: AttemptError | None = None
    retry_after: str | None = None
    body: bytes = field(default=b"", repr=False)
    truncated: bool = False
    duration_ms: int = 0
    detail: str = ""

    def __post_init__(self) -> None:
        if self.status is None and self.error is None:
            raise ValueError("a reply has a status or an error")


class GiveUpReason(StrEnum):
    """Why nothing more is tried."""

    HORIZON = "horizon"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The endpoint has heard the event."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """The event is sent again at this moment."""

    at: datetime


@dataclass(frozen=True, slots=True)
class EndpointGone:
    """The endpoint asked never to be called again (410): disable it and tell its owners.

    The delivery is not given up: it is backlog, to be offered when the endpoint is enabled again.
    """


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The event is sent no more, unless somebody asks for a replay."""

    reason: GiveUpReason


Verdict: TypeAlias = Delivered | RetryAt | EndpointGone | GivenUp


def judge(reply: Reply, *, attempt: int, first_at: datetime, at: datetime, jitter: float) -> Verdict:
    """Say what follows from the reply to the attempt of this number, which counts from 1.

    Only 2xx is success: a followed redirect would turn the POST into an empty GET, so 3xx is a failure like
    another. `first_at` is when the delivery first came due (again, after an endpoint was enabled); nothing is
    sent more than seven days after it. `jitter` lies in [-1, 1]. ValueError on an odd attempt or jitter.
    """
    if attempt < 1 or not -1 <= jitter <= 1:
        raise ValueError("attempts count from 1, and jitter lies in [-1, 1]")
    if reply.error is None and reply.status is not None and 200 <= reply.status < 300:
        return Delivered()
    if reply.error is None and reply.status == 410:
        return EndpointGone()
    next_at = at + max(_own_delay(reply, attempt=attempt, jitter=jitter), asked_delay(reply, at=at))
    return GivenUp(GiveUpReason.HORIZON) if next_at > first_at + HORIZON else RetryAt(next_at)


def _own_delay(reply: Reply, *, attempt: int, jitter: float) -> timedelta:
    delay = DELAYS[attempt - 1] if attempt <= len(DELAYS) else LAST_DELAY
    if _is_slow(reply):
        delay = max(delay, SLOW_DELAY)
    return delay * (1 + JITTER * jitter)


def _is_slow(reply: Reply) -> bool:
    """Tell whether only a change on the merchant's side can help."""
    if reply.error is not None:
        return reply.error is AttemptError.FORBIDDEN_TARGET
    return reply.status is not None and 400 <= reply.status < 500 and reply.status not in _QUICK_4XX


def asked_delay(reply: Reply, *, at: datetime) -> timedelta:
    """Return how long the endpoint asked us to wait, twelve hours at most; nothing when it is not legible."""
    if reply.error is not None or reply.status not in _ASKS_TO_WAIT or reply.retry_after is None:
        return timedelta(0)
    return min(_read_retry_after(reply.retry_after.strip(), at=at), MAX_RETRY_AFTER)


def _read_retry_after(text: str, *, at: datetime) -> timedelta:
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text[:_MAX_DATE])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - at
    except (ValueError, TypeError, OverflowError, IndexError):
        return timedelta(0)
