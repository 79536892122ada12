"""Say when PortOne's news do not reach us: payments that a sweep found, and of which nothing ever arrived.

A sweep usually finds a payment within minutes, while its webhook may still be on the way. So it is only noted then,
and reported by the first sweep that ten minutes later still finds nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, Q

from results.core.result import written_time
from results.core.words import EventType
from results.models import Notification, Payment, Reconciliation
from results.tell import announce
from tenants.routing import Route

log = structlog.get_logger()

GAP_AFTER: Final = timedelta(minutes=10)
EXAMPLES: Final = 20


def note_unheard(payment: Payment, *, paid_at: datetime) -> None:
    """Note of a payment that a sweep found paid that nothing has arrived about it or its order. It is locked."""
    if not _heard_of([payment]):
        Payment.objects.filter(id=payment.id).update(unheard_since=paid_at)


def report_gap(route: Route, *, at: datetime) -> int:
    """Tell the merchant, once, of payments that were paid ten minutes ago unheard; return how many."""
    # What is locked is being published; the next sweep comes to it. Waiting here for several rows could deadlock.
    locked = Payment.objects.select_related("order").select_for_update(of=("self",), skip_locked=True)
    with transaction.atomic():
        noted = list(locked.filter(mode=route.mode, unheard_since__lte=at - GAP_AFTER).order_by("unheard_since"))
        heard = _heard_of(noted)
        gap = [payment for payment in noted if payment.id not in heard]
        Payment.objects.filter(id__in=[payment.id for payment in noted]).update(unheard_since=None)
        if gap:
            announce(route, EventType.RECONCILIATION_GAP, {"account": describe_gap(route, gap)}, at=at)
            Reconciliation.objects.filter(mode=route.mode).update(gaps=F("gaps") + 1)
            log.warning("reconciliation_gap", merchant=str(route.merchant_id), mode=route.mode, payments=len(gap))
    return len(gap)


def describe_gap(route: Route, gap: Sequence[Payment]) -> dict[str, Any]:
    """Return what the merchant is told of a gap, its oldest payments by name."""
    oldest = gap[0].unheard_since
    return {
        "mode": route.mode,
        "payments": len(gap),
        "oldest_paid_at": written_time(oldest) if oldest else None,
        "examples": [{"imp_uid": payment.imp_uid, "order": payment.order.merchant_uid} for payment in gap[:EXAMPLES]],
    }


def _heard_of(payments: Sequence[Payment]) -> set[UUID]:
    """Return the ids of those that an arrival named, by their own id or their order's."""
    imp_uids = {payment.imp_uid for payment in payments}
    orders = {payment.order.merchant_uid for payment in payments}
    modes = {payment.mode for payment in payments}
    notes = Notification.objects.filter(Q(imp_uid__in=imp_uids) | Q(merchant_uid__in=orders), mode__in=modes)
    arrived = list(notes.values_list("imp_uid", "merchant_uid"))
    named, ordered = {imp_uid for imp_uid, _ in arrived}, {order for _, order in arrived}
    return {payment.id for payment in payments if payment.imp_uid in named or payment.order.merchant_uid in ordered}
