"""Is a question needed at all, and when? The freshness rule, pure.

A notification is settled only by a question that was sent after it was recorded, or by a verified state that says
already what it hints. The first about a payment is asked at once; those of the next two seconds share the second.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from results.core.claim import Claim, Outcome
from results.core.schedule import SHARED_WINDOW
from results.core.snapshot import Snapshot

RECENT = timedelta(minutes=1)
# Arrivals are timed by one machine and questions by another; within this much nobody can say which came first.
CLOCKS_APART = timedelta(seconds=2)


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
    shows_it = newest is None or not is_ahead(claim, newest)
    if answered_at is not None and answered_at >= received_at + CLOCKS_APART and shows_it:
        return Settled()
    if newest is not None and says_already(newest, claim, is_landing=is_landing, at=at):
        return Settled()
    if asked_at is not None and at < asked_at + SHARED_WINDOW:
        return AskAt(asked_at + SHARED_WINDOW)
    return AskNow()


def says_already(newest: Snapshot, claim: Claim, *, is_landing: bool, at: datetime) -> bool:
    """Say whether a verified state already holds what the notification hints at.

    A failure may still turn into a late approval, so it answers only a landing that speaks of a failure itself.
    """
    if is_landing:
        if newest.status == "failed" and claim.outcome != Outcome.FAILED:
            return False
        return is_outcome(newest) and at < newest.asked_at + RECENT
    match claim.status:
        case "cancelled":
            return claim.cancellation_id in {entry.id for entry in newest.cancellations}
        case "ready":
            return newest.status == "ready" and is_outcome(newest)
    return claim.status is not None and claim.status == newest.status


def is_outcome(newest: Snapshot) -> bool:
    """Say whether an answer tells of more than a window that was opened."""
    return newest.status != "ready" or newest.virtual_account is not None


def is_ahead(claim: Claim, found: Snapshot) -> bool:
    """Say whether a webhook tells of something that PortOne's API does not show yet: it is to be asked again."""
    match claim.status:
        case "paid":
            return found.status in ("ready", "failed")
        case "failed":
            return found.status == "ready"
        case "ready":  # a deposit that was undone, unless the webhook is an old one
            return found.status == "paid" and found.virtual_account is not None
        case "cancelled":
            if claim.cancellation_id:
                return claim.cancellation_id not in {entry.id for entry in found.cancellations}
            return found.status != "cancelled" and found.cancel_amount == 0
    return False
