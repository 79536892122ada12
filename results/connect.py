"""Connect a merchant's mode to its PortOne account: keep the keys, and notice when others hold the account too."""

from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from results import duties
from results.models import Reconciliation
from results.portone import seal_credential
from results.report import CONNECTED, report_shared_account
from tenants.fields import new_id
from tenants.models import AuditEntry, Credential
from tenants.routing import Route, inside


def connect_account(
    route: Route, *, imp_key: str, imp_secret: str, tier: str = "", actor: str, at: datetime
) -> list[UUID]:
    """Keep a mode's PortOne keys in place of those it had; return which other merchants hold keys of that account.

    A merchant that newly shares an account is told, and so are the others: an entry in the audit and a mail each. Only
    the operator may learn who the others are.
    """
    with transaction.atomic():
        old = Credential.objects.select_for_update().filter(merchant=route.merchant_id, mode=route.mode).first()
        credential = old or Credential(id=new_id(), merchant_id=route.merchant_id, mode=route.mode, created_at=at)
        before, credential.tier = credential.account, tier
        seal_credential(credential, route.open_vault(), imp_key=imp_key, imp_secret=imp_secret)
        # New keys are tried at once, whatever became of the old ones.
        credential.refused_at, credential.paused_until, credential.pauses = None, None, 0
        holders = _holders(credential)
        if old and before and bytes(before) != credential.account:
            # Another account: what happened in it before is not ours to tell.
            credential.created_at = at
            with inside(route.schema):
                Reconciliation.objects.filter(mode=route.mode).delete()
        credential.save()
        AuditEntry.objects.create(
            merchant_id=route.merchant_id, at=at, actor=actor, action=CONNECTED, subject=route.mode
        )
        duties.wake(route.lane, at=at)
        others = {merchant: mode for merchant, mode in holders if merchant != route.merchant_id}
        if others and len(others) == len(holders):
            report_shared_account([(route.merchant_id, route.mode), *others.items()], actor=actor, at=at)
    return sorted(others)


def _holders(credential: Credential) -> list[tuple[UUID, str]]:
    """Return which merchants and modes hold keys of an account already; nobody else connects to it meanwhile."""
    account = bytes(credential.account or b"")
    with connection.cursor() as cursor:
        # Without it two merchants who connect at once would not see each other.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"account {account.hex()}"])
    holders = Credential.objects.filter(account=account).order_by("-mode")
    return list(holders.values_list("merchant_id", "mode"))
