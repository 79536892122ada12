"""Close a merchant for good: its doors, its keys, what is owed. The ledger stays, without the key that opens it.

One transaction, so that a crash leaves a merchant as it was or closed, and closing again ends in the same place.
Deleting the data key makes everything that it sealed unreadable, for us too; a backup of the database from before
still holds the key, wrapped by SEALING_KEYS.
"""

from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import Q

from results.models import Endpoint, EndpointSecret, Replay
from tenants.mail import Letter, write_to_owners
from tenants.models import ApiKey, AuditEntry, Credential, Duty, Merchant, MerchantKey, RouteKey
from tenants.routing import forget_everything, inside
from tenants.statements import remove

log = structlog.get_logger()


def close(merchant: Merchant, *, actor: str, at: datetime, export: str = "") -> bool:
    """Close a merchant and shred its data key; False when it was closed already and only leftovers were removed.

    `export` is the digest of what was written down before, for the audit. For the public schema.
    """
    with transaction.atomic():
        row = Merchant.objects.select_for_update().get(id=merchant.id)
        is_first = row.closed_at is None
        shut_doors(row, at=at)
        drop_keys(row)
        remove(Duty.objects.filter(merchant=row.id))
        if is_first:
            # Before the merchant is closed, because owners of closed ones get no letters.
            write_to_owners(Letter.MERCHANT_CLOSED, merchant=row.id, mode="", at=at)
            detail = {"export_sha256": export} if export else {}
            AuditEntry.objects.create(
                merchant=row, at=at, actor=actor, action="merchant.closed", subject=row.name, detail=detail
            )
            Merchant.objects.filter(id=row.id).update(closed_at=at)
    forget_everything()
    if is_first:
        log.warning("merchant_closed", merchant=str(row.id), actor=actor, exported=bool(export))
    return is_first


def shut_doors(merchant: Merchant, *, at: datetime) -> None:
    """Let nothing in any more: no arrival, no question of the merchant's server, no callback."""
    opens = Q(works_until=None) | Q(works_until__gt=at)
    RouteKey.objects.filter(opens, merchant=merchant).update(works_until=at)
    ApiKey.objects.filter(merchant=merchant, revoked_at=None).update(revoked_at=at)
    if merchant.state == Merchant.State.READY:
        with inside(merchant.schema_name):
            Endpoint.objects.filter(disabled_at=None).update(disabled_at=at)
            Replay.objects.filter(state=Replay.State.RUNNING).update(state=Replay.State.CANCELLED, ended_at=at)


def drop_keys(merchant: Merchant) -> None:
    """Remove every key of the merchant, and with its data key the way to all that was ever sealed for it."""
    Credential.objects.filter(merchant=merchant).delete()
    MerchantKey.objects.filter(merchant=merchant).delete()
    if merchant.state == Merchant.State.READY:
        with inside(merchant.schema_name):
            EndpointSecret.objects.all().delete()
            Endpoint.objects.exclude(headers=None).update(headers=None)
    Merchant.objects.filter(id=merchant.id).update(data_key=None)
