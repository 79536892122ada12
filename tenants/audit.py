"""What was changed here, by whom and when? A merchant's audit entries, newest first, a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tenants.models import AuditEntry, Merchant

PAGE: Final = 50
# Every change that has words; another one is shown by its code.
WORDS: Final[dict[str, Any]] = {
    "merchant.registered": _("Shop made"),
    "merchant.closed": _("Shop closed"),
    "member.invited": _("Member invited"),
    "member.invitation_withdrawn": _("Invitation withdrawn"),
    "member.joined": _("Member joined"),
    "member.role_changed": _("Role changed"),
    "member.removed": _("Member removed"),
    "member.left": _("Member left"),
    "member.ownership_handed_over": _("Ownership handed over"),
    "account.shared": _("PortOne account shared with another shop"),
    "keys.issued": _("Keys issued"),
    "payment.asked": _("PortOne asked again about a payment"),
    "payments.exported": _("Payments saved as a file"),
    "raw.opened": _("What came about a payment opened"),
    "replay.begun": _("Replay begun"),
    "replay.cancelled": _("Replay cancelled"),
    "retention.changed": _("Retention changed"),
    "review.resolved": _("Review resolved"),
    "route_key.rotated": _("Address key rotated"),
    "route_key.retired": _("Address key retired"),
}


class BadMark(Exception):
    """A mark of a place in the list that is none of ours."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, and the mark after which the older ones follow; empty when there are none."""

    entries: list[AuditEntry]
    older: str


def read_page(merchant: Merchant, after: str = "") -> Page:
    """Return the entries that come after a mark, the newest first. Raises BadMark."""
    entries = AuditEntry.objects.filter(merchant=merchant)
    if after:
        at, id_ = read_mark(after)
        entries = entries.filter(Q(at__lt=at) | Q(at=at, id__lt=id_), at__lte=at)
    found = list(entries.order_by("-at", "-id")[: PAGE + 1])
    return Page(found[:PAGE], older=make_mark(found[PAGE - 1]) if len(found) > PAGE else "")


def make_mark(entry: AuditEntry) -> str:
    return f"{entry.at.isoformat()}~{entry.id.hex}"


def read_mark(text: str) -> tuple[datetime, UUID]:
    """Return the moment and the id that a mark names; raise BadMark."""
    moment, _tilde, id_ = text.partition("~")
    try:
        at, entry = datetime.fromisoformat(moment), UUID(hex=id_)
    except ValueError as error:
        raise BadMark(text) from error
    if at.tzinfo is None:
        raise BadMark(text)
    return at, entry
