"""What an endpoint may hear, in words for people, in groups; and back to the patterns that are kept."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from results.core.subscription import ALL
from results.core.words import EventType, hears

# Group by group, in the order in which a shop owner would ask.
GROUPS: Final[Sequence[tuple[Any, Sequence[tuple[EventType, Any]]]]] = (
    (
        _("Paid and given back"),
        (
            (EventType.PAID, _("A payment is confirmed")),
            (EventType.PARTIALLY_CANCELLED, _("Part of it was cancelled")),
            (EventType.CANCELLED, _("All of it was cancelled")),
        ),
    ),
    (
        _("Virtual accounts"),
        (
            (EventType.ACCOUNT_ISSUED, _("An account was given to the customer")),
            (EventType.ACCOUNT_EXPIRED, _("Nobody deposited in time")),
            (EventType.DEPOSIT_REVERSED, _("The bank took a deposit back")),
        ),
    ),
    (
        _("Not paid"),
        (
            (EventType.DECLINED, _("The card or bank declined it")),
            (EventType.FAILED, _("It failed for another reason")),
            (EventType.ABANDONED, _("The customer closed the window")),
            (EventType.NOT_STARTED, _("The window could not open")),
            (EventType.EXPIRED, _("It came to nothing")),
        ),
    ),
    (_("Still waiting"), ((EventType.PENDING, _("A payment has begun")),)),
    (
        _("To be checked by you"),
        (
            (EventType.REVIEW_AMOUNT, _("The amount is not the order’s")),
            (EventType.REVIEW_CURRENCY, _("The currency is not the order’s")),
            (EventType.REVIEW_ORDER, _("It belongs to another order")),
            (EventType.REVIEW_UNKNOWN_ORDER, _("The order is not registered")),
            (EventType.REVIEW_LIVEMODE, _("A test payment in live mode, or the other way round")),
            (EventType.REVIEW_DUPLICATE, _("The order was paid twice")),
            (EventType.REVIEW_ANOMALY, _("PortOne’s answer contradicts itself")),
            (EventType.REVIEW_RESOLVED, _("A member has decided")),
        ),
    ),
    (
        _("Claims that nothing confirms"),
        (
            (EventType.CLAIM_NOT_FOUND, _("PortOne knows no such payment")),
            (EventType.CLAIM_REJECTED, _("A claim was refused")),
        ),
    ),
    (
        _("Account and endpoints"),
        (
            (EventType.CREDENTIALS_INVALID, _("PortOne refuses your keys")),
            (EventType.RECONCILIATION_GAP, _("Reconciliation found a payment that nobody announced")),
            (EventType.ENDPOINT_DISABLED, _("Another endpoint is called no more")),
        ),
    ),
)
# Ticked as a whole they are kept as a prefix, so that what comes to be told later is heard too.
PREFIXES: Final = ("payment.virtual_account.*", "payment.review.*", "claim.*", "account.*", "endpoint.*")
OFFERED: Final = tuple(event for _name, events in GROUPS for event, _words in events)


def choices() -> list[tuple[Any, list[tuple[str, Any]]]]:
    """Return the groups as a form field's choices."""
    return [(name, [(event.value, words) for event, words in events]) for name, events in GROUPS]


def ticked(patterns: Iterable[str]) -> list[str]:
    """Return which of the boxes these patterns tick."""
    heard = list(patterns)
    return [event.value for event in OFFERED if hears(heard, event)]


def patterns_of(boxes: Collection[str]) -> list[str]:
    """Return the patterns that are kept for these boxes."""
    if set(boxes) >= {event.value for event in OFFERED}:
        return [ALL]
    whole = [prefix for prefix in PREFIXES if all(event.value in boxes for event in OFFERED if hears([prefix], event))]
    single = [event.value for event in OFFERED if event.value in boxes and not hears(whole, event)]
    return [*single, *whole]
