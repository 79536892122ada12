"""Every `type` that a problem of the API may have, and the mend. The names are promises: they never change."""

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Known:
    """Problems that are mended alike."""

    status: int
    types: tuple[str, ...]
    mend: Promise


PROBLEMS: Final = (
    Known(400, ("unreadable",), _("The body is no JSON object. Send one, in UTF-8.")),
    Known(400, ("bad_cursor",), _("Take next_cursor of the answer before as it is, or leave it out to begin anew.")),
    Known(400, ("bad_idempotency_key",), _("Give 1 to 255 printable ASCII characters, such as a UUID.")),
    Known(401, ("unauthenticated",), _("The key is missing, mistyped, expired or revoked. Make a new one under Keys.")),
    Known(403, ("scope_missing",), _("The detail names the scope. Make a key that has it; scopes cannot be added.")),
    Known(404, ("no_such_address",), _("Compare the address with this guide; after /api/v1 there is no last slash.")),
    Known(
        404,
        (
            "order_not_found",
            "payment_not_found",
            "event_not_found",
            "delivery_not_found",
            "replay_not_found",
            "endpoint_not_found",
            "route_key_not_found",
            "credentials_not_found",
        ),
        _("It is not there, or in the other mode. A test key finds nothing of live mode, and the other way round."),
    ),
    Known(405, ("method_not_allowed",), _("The header Allow names the methods of this address.")),
    Known(409, ("still_running",), _("The first request with this Idempotency-Key is under way. Wait a second.")),
    Known(409, ("order_already_paid",), _("A paid order keeps its amount and cannot expire. Use a new order number.")),
    Known(409, ("not_under_review",), _("The review has ended, or there is none. Read the payment again.")),
    Known(409, ("payment_unnamed",), _("PortOne has not named this payment yet, so there is nothing to ask about.")),
    Known(409, ("not_subscribed",), _("The endpoint does not listen to this type. Add it to its events, then retry.")),
    Known(409, ("ping_not_repeated",), _("A ping is not sent again. Send a new one.")),
    Known(409, ("nothing_to_resume",), _("The endpoint is listening already. Use a replay for what it missed.")),
    Known(409, ("nothing_to_cancel",), _("Everything of this replay was sent, or it was stopped before.")),
    Known(409, ("too_many_endpoints",), _("Change or delete one of your endpoints first.")),
    Known(409, ("too_many_secrets",), _("So many secrets sign at once already. Wait until an older one has retired.")),
    Known(409, ("route_key_is_current",), _("Rotate the addresses first, put the new ones in, then retire the old.")),
    Known(412, ("changed_meanwhile",), _("Somebody changed it. Read it again, and send its new ETag as If-Match.")),
    Known(413, ("body_too_long",), _("Send less at once; the detail says how much is allowed.")),
    Known(422, ("invalid_field", "unknown_field"), _("The member “field” names what is at fault, the detail how.")),
    Known(422, ("idempotency_key_reused",), _("This key came with another request before. New request, new key.")),
    Known(422, ("live_mode_only",), _("This belongs to live mode or to both modes. Change it with a live key.")),
    Known(422, ("keys_refused",), _("PortOne refuses key or secret. Copy both from PortOne's console once more.")),
    Known(422, ("tier_refused",), _("PortOne takes the keys, but not for this sub-store. Correct its code.")),
    Known(429, ("too_many_requests", "too_many_pings"), _("Wait for as many seconds as Retry-After says.")),
    Known(500, ("our_fault",), _("The fault is ours. Send the same again; a POST with the same Idempotency-Key.")),
    Known(503, ("portone_busy", "portone_silent"), _("PortOne is slow or silent just now. Try again in a minute.")),
)
TYPES: Final = frozenset(type_ for known in PROBLEMS for type_ in known.types)
