"""How far is PortOne's list to be read, and which of its rows are news? The rules of a sweep, pure.

The list is sorted by when a payment was last changed, but no row carries that moment. So a sweep stops where it can
be shown that nothing unknown lies beyond: a row in a state that was seen before the watermark cannot have changed
after it, and neither can any row behind it. What changes while pages are read moves to the front, and is found by
the next sweep, because the watermark is when this one began.
(Fact: PortOne V1 API document, `GET /payments/status/all`; its from and to filter by status times, not by changes.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final

from results.core.classify import is_sale
from results.core.snapshot import Snapshot

# Longer than a question may take, and than clocks and PortOne's own copies may lie apart.
MARGIN: Final = timedelta(minutes=1)
NIGHT: Final = time(18, tzinfo=UTC)  # three in the morning in Korea
SUNDAY: Final = 6
SPREAD: Final = 0.1  # of the interval, so that merchants who came together do not ask together for ever


class Reach(StrEnum):
    """How far back a sweep reads."""

    RECENT = "recent"
    DAYS = "days"
    QUARTER = "quarter"


SPANS: Final = {Reach.DAYS: timedelta(days=3), Reach.QUARTER: timedelta(days=90)}


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows of the list concern a merchant's mode.

    `since` is when the merchant connected. With other merchants on the same account (`shared`) an order counts only
    if it is `registered` here, and `neighbours` are payments that belong to them.
    """

    livemode: bool
    since: datetime
    shared: bool = False
    registered: frozenset[str] = frozenset()
    neighbours: frozenset[str] = frozenset()

    def concerns(self, row: Snapshot, known: Snapshot | None) -> bool:
        """Say whether a row is ours to tell; what moved before the merchant connected is not, unless we know it."""
        if row.sandbox == self.livemode or not is_sale(row) or row.imp_uid in self.neighbours:
            return False
        if known is not None:
            return True
        if self.shared and row.merchant_uid not in self.registered:
            return False
        moved = moved_at(row)
        return moved is None or moved >= self.since.replace(microsecond=0)


def fingerprint(row: Snapshot) -> tuple[Any, ...]:
    """Return what makes two answers about one payment the same."""
    account = row.virtual_account
    return (
        row.status,
        row.amount,
        row.cancel_amount,
        row.currency,
        tuple(entry.id for entry in row.cancellations),
        row.fail_reason,
        (account.number, account.expires_at) if account else None,
    )


def moved_at(row: Snapshot) -> datetime | None:
    """Return the newest moment that a row names for anything that happened to it; PortOne counts whole seconds."""
    account = row.virtual_account
    times = [row.started_at, row.paid_at, row.failed_at, row.cancelled_at, account.issued_at if account else None]
    times += [entry.cancelled_at for entry in row.cancellations]
    return max((moment for moment in times if moment), default=None)


def is_news(row: Snapshot, known: Snapshot | None, scope: Scope) -> bool:
    """Say whether a row is worth applying: it is ours, and says something else than what is known."""
    return scope.concerns(row, known) and (known is None or fingerprint(row) != fingerprint(known))


def is_old_news(rows: Sequence[Snapshot], known: Mapping[str, Snapshot], scope: Scope, *, watermark: datetime) -> bool:
    """Say whether a page shows that no unknown change older than the watermark lies on it or behind it.

    `known` is what was known before this page, by imp_uid. Known rows that moved before the watermark are not enough:
    some changes, such as a deposit taken back, leave no time. One of the rows must have been seen as it is before.
    """
    before = watermark - MARGIN
    return all(
        not is_news(row, known.get(row.imp_uid), scope) and _moved_before(row, before, undated=True) for row in rows
    ) and any(_was_so(row, known.get(row.imp_uid), before) for row in rows)


def _was_so(row: Snapshot, known: Snapshot | None, before: datetime) -> bool:
    """Say whether a row that is no news was in this very state at that moment."""
    return known.asked_at < before if known else _moved_before(row, before, undated=False)


def _moved_before(row: Snapshot, moment: datetime, *, undated: bool) -> bool:
    moved = moved_at(row)
    return undated if moved is None else moved < moment


def is_out_of_reach(rows: Sequence[Snapshot], reach: Reach, *, since: datetime, began_at: datetime) -> bool:
    """Say whether a page holds only what is older than a far-reaching sweep reads."""
    if reach not in SPANS:
        return False
    ends = max(began_at - SPANS[reach], since) - MARGIN
    return bool(rows) and all(_moved_before(row, ends, undated=False) for row in rows)


def due_reach(
    *, days_read_at: datetime | None, quarter_read_at: datetime | None, since: datetime, at: datetime
) -> Reach:
    """Return how far the sweep that begins now reads: ninety days once a week, three days every night."""
    night = last_night(at)
    sunday = night - timedelta(days=(night.weekday() - SUNDAY) % 7)
    if (quarter_read_at or since) < sunday:
        return Reach.QUARTER
    read_at = max(filter(None, (days_read_at, quarter_read_at)), default=since)
    return Reach.DAYS if read_at < night else Reach.RECENT


def last_night(at: datetime) -> datetime:
    """Return the newest beginning of a night."""
    tonight = datetime.combine(at.astimezone(UTC).date(), NIGHT)
    return tonight if tonight <= at else tonight - timedelta(days=1)


def next_sweep(*, began_at: datetime, interval: timedelta, jitter: float, at: datetime) -> datetime:
    """Return when the next one begins, counted from the beginning of this one; `jitter` is between -1 and 1."""
    return max(at, began_at + interval * (1 + SPREAD * jitter))


def is_paid_anew(row: Snapshot, known: Snapshot | None) -> bool:
    """Say whether a row tells of a payment that was not known to be paid. What is cancelled since is another story."""
    return row.status == "paid" and row.cancel_amount == 0 and (known is None or known.status != "paid")
