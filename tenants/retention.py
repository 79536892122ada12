"""How long is what is kept? Each merchant's choice, in days, within limits that the database keeps too."""

from datetime import datetime
from typing import Final

from django.db import transaction

from tenants.models import AuditEntry, Merchant
from tenants.models.merchant import KEEPS

WORDS: Final = {
    "keeps_arrivals": "notifications and PortOne's answers",
    "keeps_replies": "bodies of replies",
    "keeps_attempts": "attempts",
}


class BadRetention(ValueError):
    """What a merchant asked for is outside the limits; the message says which and what they are."""


def set_retention(
    merchant: Merchant,
    *,
    arrivals: int | None = None,
    replies: int | None = None,
    attempts: int | None = None,
    actor: str,
    at: datetime,
) -> Merchant:
    """Choose for how many days a merchant's arrivals, replies and attempts stay; what is left out stays as it is.

    A shorter time counts for what is there already, too, from the next round of forgetting on. Raises BadRetention.
    """
    wished = {"keeps_arrivals": arrivals, "keeps_replies": replies, "keeps_attempts": attempts}
    with transaction.atomic():
        row = Merchant.objects.select_for_update().get(id=merchant.id)
        before = {name: getattr(row, name) for name in wished}
        after = before | {name: days for name, days in wished.items() if days is not None}
        check_retention(after)
        changed = {name: [before[name], days] for name, days in after.items() if days != before[name]}
        if changed:
            Merchant.objects.filter(id=row.id).update(**after)
            AuditEntry.objects.create(
                merchant=row, at=at, actor=actor, action="retention.changed", subject="days", detail=changed
            )
    merchant.refresh_from_db()
    return merchant


def check_retention(days: dict[str, int]) -> None:
    """Raise BadRetention unless every time is within its limits, and replies go no later than their attempts."""
    for name, (least, most) in KEEPS.items():
        if not least <= days[name] <= most:
            raise BadRetention(f"{WORDS[name]}: keep them {least} to {most} days, not {days[name]}")
    if days["keeps_replies"] > days["keeps_attempts"]:
        raise BadRetention("bodies of replies belong to attempts: keep them no longer than those")
