"""Is a question needed at all, and when? The freshness rule, pure.

A notification is settled only by a question that was sent after it was recorded, or by a verified state that says
already what it hints. The first about a payment is asked at once; those of the next two seconds share the second.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from results.core.claim import Claim
from results.core.schedule import SHARED_WINDOW
from results.core.snapshot import Snapshot

RECENT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class AskNow:
    """The question is to be sent."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing is to be asked."""


@dataclass(frozen=True, slots=True)
class AskAt:
    """The question is shared with others, and sent at this moment."""

    at: datetime


Need = AskNow | Settled | AskAt


def needs_question(
    claim: Claim,
    *,
    is_landing: bool,
    received_at: datetime,
    newest: Snapshot | None,
    answered_at: datetime | None,
    asked_at: datetime | None,
    at: datetime,
) -> Need:
    """Say what a notification needs.

    `newest` is the newest answer about its payment; `answered_at` and `asked_at` are when the newest question that
    was answered, and the newest at all, were sent.
    """
    if answered_at is not None and answered_at >= received_at:
        return Settled()
    if newest is not None and says_already(newest, claim, is_landing=is_landing, at=at):
        return Settled()
    if asked_at is not None and at < asked_at + SHARED_WINDOW:
        return AskAt(asked_at + SHARED_WINDOW)
    return AskNow()


def says_already(newest: Snapshot, claim: Claim, *, is_landing: bool, at: datetime) -> bool:
    """Say whether a verified state already holds what the notification hints at."""
    if is_landing:
        is_outcome = newest.status != "ready" or newest.virtual_account is not None
        return is_outcome and at < newest.asked_at + RECENT
    if claim.status == "cancelled":
        return claim.cancellation_id in {entry.id for entry in newest.cancellations}
    return claim.status is not None and claim.status == newest.status
