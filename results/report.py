"""Report what only a merchant's owners can mend: to the shop's endpoints as an event, and to the owners by mail."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from results.core.result import written_time
from results.core.words import EventType
from results.models import Event
from results.tell import announce
from tenants.mail import Letter, write_to_owners
from tenants.models import AuditEntry
from tenants.routing import Route

REPORT_AGAIN: Final = timedelta(days=1)
CONNECTED: Final = "account.connected"
REFUSED: Final = (
    "PortOne refuses the API keys of this mode, so payments cannot be verified."
    " Enter the REST API key and secret that PortOne's console shows, and check its list of allowed addresses."
)


def report_refused_keys(route: Route, *, at: datetime) -> None:
    """Tell a merchant that PortOne refuses its keys: event and mail, in one transaction or in the caller's.

    At most once a day unless other keys were entered: PortOne may refuse them for one question and take them for the
    next. To be called inside the merchant's schema, in the transaction that sets `refused_at`.
    """
    if _is_reported(route, at=at):
        return
    account = {"mode": route.mode, "refused_at": written_time(at), "message": REFUSED}
    with transaction.atomic():
        announce(route, EventType.CREDENTIALS_INVALID, {"account": account}, at=at)
        write_to_owners(Letter.CREDENTIALS_INVALID, merchant=route.merchant_id, mode=route.mode, at=at)


def _is_reported(route: Route, *, at: datetime) -> bool:
    """Say whether the owners heard within a day that the keys which they have now are refused."""
    entered = AuditEntry.objects.filter(merchant=route.merchant_id, action=CONNECTED, subject=route.mode)
    newest = entered.order_by("-at").values_list("at", flat=True).first()
    since = max(at - REPORT_AGAIN, newest) if newest else at - REPORT_AGAIN
    reports = Event.objects.filter(order=None, mode=route.mode, type=EventType.CREDENTIALS_INVALID)
    return reports.filter(created_at__gt=since).exists()


def report_closed_window(route: Route, *, at: datetime) -> None:
    """Tell a merchant's owners that a payment window could not open, which they alone can mend. Its event is told."""
    write_to_owners(Letter.MERCHANT_CONFIGURATION, merchant=route.merchant_id, mode=route.mode, at=at)


def report_shared_account(sharers: Iterable[tuple[UUID, str]], *, actor: str, at: datetime) -> None:
    """Tell each merchant and mode that another merchant holds keys of its PortOne account; not which one."""
    with transaction.atomic():
        for merchant, mode in sharers:
            AuditEntry.objects.create(
                merchant_id=merchant, at=at, actor=actor, action="account.shared", subject=f"PortOne account, {mode}"
            )
            write_to_owners(Letter.ACCOUNT_SHARED, merchant=merchant, mode=mode, at=at)
