"""Which payments are meant? What home, the list of payments and the API all ask for, said once."""

from django.db.models import Q

from results.core.method import EASY_PAY, TYPES
from results.core.words import MethodType, PaymentStatus
from results.publish import REJECTED


def under_open_review() -> Q:
    """Return the condition for payments under a review that nobody has rejected: they wait for a person."""
    return Q(status=PaymentStatus.REVIEW) & (Q(resolution__isnull=True) | ~Q(resolution__decision=REJECTED))


def paid_by(method: str) -> Q:
    """Return the condition for a method of ours, of which V1 has several names, and new ones come."""
    known = TYPES | dict.fromkeys(EASY_PAY, MethodType.EASY_PAY)
    if method == MethodType.UNKNOWN:
        return Q(snapshot__isnull=False) & ~Q(snapshot__pay_method__in=sorted(known))
    return Q(snapshot__pay_method__in=sorted(raw for raw, kind in known.items() if kind == method))
