"""Where may a member go from here? The entries of the dashboard's navigation, in their order."""

from dataclasses import dataclass
from typing import Final

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tenants.access import Place

ENTRIES: Final = (
    ("home", _("Home")),
    ("payments", _("Payments")),
    ("endpoints", _("Endpoints")),
    ("settings", _("Settings")),
    ("members", _("Members")),
    ("audit", _("Audit")),
    ("start", _("Getting started")),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A page that the navigation leads to; its name is its URL's, and that of its icon."""

    name: str
    label: str | Promise
    address: str
    is_here: bool


def entries_of(place: Place, *, here: str) -> list[Entry]:
    """Return where a member may go in this merchant's mode; `here` is the entry of the page that is shown."""
    there = {"merchant": place.route.merchant_id, "mode": place.route.mode}
    addresses = [(name, label, address_of(name, there)) for name, label in ENTRIES]
    return [Entry(name, label, address, name == here) for name, label, address in addresses if address]


def address_of(name: str, there: dict[str, object]) -> str | None:
    """Return a page's address, or None when it has none for these words alone."""
    try:
        return reverse(name, kwargs=there)
    except NoReverseMatch:
        return None
