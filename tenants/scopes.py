"""What a key of our API may do. A key has some of these; each operation asks for one."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SCOPES: Final[dict[str, Promise]] = {
    "orders:read": _("Read orders"),
    "orders:write": _("Register, change and expire orders"),
    "payments:read": _("Read payments and their stories"),
    "payments:write": _("Ask PortOne again, and end reviews"),
    "events:read": _("Read events, deliveries and replays"),
    "deliveries:write": _("Send again: retries and replays"),
    "endpoints:read": _("Read endpoints"),
    "endpoints:write": _("Make, change and delete endpoints, and see new signing secrets"),
    "credentials:write": _("Replace and test PortOne's keys"),
    "route_keys:read": _("Read the addresses for browsers and webhooks"),
    "route_keys:write": _("Replace and retire those addresses"),
    "settings:read": _("Read settings"),
    "settings:write": _("Change return URLs, origins and policies"),
}
# Whoever holds one of these could lead results or money elsewhere, so a key has them only when they are asked for.
ON_REQUEST: Final = frozenset({"endpoints:write", "credentials:write", "route_keys:write", "settings:write"})
USUAL: Final = tuple(scope for scope in SCOPES if scope not in ON_REQUEST)
