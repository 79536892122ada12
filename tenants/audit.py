"""What was changed here, by whom and when? A merchant's audit entries, newest first, a page at a time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext, pgettext_lazy

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
    "member.locked": _("Member locked by the operator"),
    "member.unlocked": _("Member unlocked by the operator"),
    "account.connected": _("PortOne keys entered"),
    "account.shared": _("PortOne account shared with another shop"),
    "setup.urls_pasted": _("Addresses entered in PortOne's console"),
    "setup.test_order": _("Test order made"),
    "keys.issued": _("Keys issued"),
    "payment.asked": _("PortOne asked again about a payment"),
    "payments.exported": _("Payments saved as a file"),
    "api_key.made": _("API key made"),
    "api_key.revoked": _("API key revoked"),
    "return_key.rotated": _("Key of returns renewed"),
    "order_key.rotated": _("Key of orders renewed"),
    "route_key.rotated": _("Address key renewed"),
    "route_key.retired": _("Old address key closed"),
    "endpoint.created": _("Endpoint made"),
    "endpoint.changed": _("Endpoint changed"),
    "endpoint.url_changed": _("Endpoint's URL changed"),
    "endpoint.paused": _("Endpoint paused"),
    "endpoint.resumed": _("Endpoint resumed"),
    "endpoint.deleted": _("Endpoint deleted"),
    "endpoint.secret_rotated": _("Endpoint's secret renewed"),
    "replay.begun": _("Replay begun"),
    "replay.cancelled": _("Replay cancelled"),
    "review.resolved": _("Review resolved"),
    "raw.opened": _("What came about a payment opened"),
    "mode.changed": _("Rules changed"),
    "brand.changed": _("Look of the customers' page changed"),
    "language.changed": _("Language of the customers' page changed"),
    "retention.changed": _("Retention changed"),
}
# In these a detail is two values: what was before, and what counts now.
FROM_TO: Final = frozenset({"mode.changed", "language.changed", "retention.changed"})
# What a detail is called, and the values that are words of ours; whatever else is shown as it was written.
NAMES: Final[dict[str, Any]] = {
    "role": pgettext_lazy("audit", "role"),
    "before": pgettext_lazy("audit", "before"),
    "mode": pgettext_lazy("audit", "mode"),
    "name": pgettext_lazy("audit", "name"),
    "host": pgettext_lazy("audit", "host"),
    "old_host": pgettext_lazy("audit", "old host"),
    "new_host": pgettext_lazy("audit", "new host"),
    "changed": pgettext_lazy("audit", "changed"),
    "event": pgettext_lazy("audit", "event"),
    "types": pgettext_lazy("audit", "kinds of events"),
    "status": pgettext_lazy("audit", "state"),
    "since": pgettext_lazy("audit", "since"),
    "until": pgettext_lazy("audit", "until"),
    "undelivered": pgettext_lazy("audit", "undelivered only"),
    "backlog": pgettext_lazy("audit", "deliveries that waited"),
    "given_up": pgettext_lazy("audit", "deliveries given up"),
    "overlap_seconds": pgettext_lazy("audit", "seconds that the old one still counts"),
    "order": pgettext_lazy("audit", "order"),
    "expected": pgettext_lazy("audit", "deliveries expected"),
    "made": pgettext_lazy("audit", "deliveries made due"),
    "endpoint": pgettext_lazy("audit", "endpoint"),
    "decision": pgettext_lazy("audit", "decision"),
    "reason": pgettext_lazy("audit", "reason"),
    "kind": pgettext_lazy("audit", "kind"),
    "row": pgettext_lazy("audit", "row"),
    "export_sha256": pgettext_lazy("audit", "SHA-256 of the export"),
    "policy": pgettext_lazy("audit", "unregistered orders"),
    "confirm_policy": pgettext_lazy("audit", "confirm process when in doubt"),
    "prepares": pgettext_lazy("audit", "announce amounts to PortOne"),
    "reads_prepared": pgettext_lazy("audit", "read back announced amounts"),
    "return_urls": pgettext_lazy("audit", "return URLs"),
    "forwards": pgettext_lazy("audit", "send customers back by themselves"),
    "filter": pgettext_lazy("audit", "filter"),
    "origins": pgettext_lazy("audit", "allowed origins"),
    "language": pgettext_lazy("audit", "language"),
    "keeps_arrivals": pgettext_lazy("audit", "days that arrivals stay"),
    "keeps_replies": pgettext_lazy("audit", "days that replies stay"),
    "keeps_attempts": pgettext_lazy("audit", "days that attempts stay"),
}
VALUES: Final[dict[str, Any]] = {
    "owner": pgettext_lazy("audit", "Owner"),
    "admin": pgettext_lazy("audit", "Admin"),
    "developer": pgettext_lazy("audit", "Developer"),
    "viewer": pgettext_lazy("audit", "Viewer"),
    "accepted": pgettext_lazy("audit", "accepted"),
    "rejected": pgettext_lazy("audit", "rejected"),
    "open": pgettext_lazy("audit", "open"),
    "strict": pgettext_lazy("audit", "strict"),
    "closed": pgettext_lazy("audit", "closed"),
    "ko": "한국어",
    "en": "English",
    "events": pgettext_lazy("audit", "events"),
    "description": pgettext_lazy("audit", "description"),
    "headers": pgettext_lazy("audit", "headers"),
    "": pgettext_lazy("audit", "none"),
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
    try:
        return at.astimezone(UTC), entry
    except OverflowError as error:  # the first and the last day of all years
        raise BadMark(text) from error


def read_detail(entry: AuditEntry) -> list[tuple[str, str]]:
    """Return an entry's details in words: what each is called, and what it is or from what to what it changed."""
    between = " → " if entry.action in FROM_TO else ", "
    return [(str(NAMES.get(name, name)), _in_words(value, between)) for name, value in entry.detail.items()]


def _in_words(value: object, between: str = ", ") -> str:
    match value:
        case list():
            return between.join(_in_words(one) for one in value) or str(VALUES[""])
        case bool():
            return pgettext("audit", "on") if value else pgettext("audit", "off")
        case str():
            return str(VALUES.get(value, value))
        case _:
            return str(value)
