"""Hand out, replace and take back a merchant's keys: those of our API, and those that sign returns and orders."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from tenants.fields import new_id
from tenants.models import ApiKey, AuditEntry, IdempotentAnswer, Merchant, MerchantKey
from tenants.models.keys import new_api_key
from tenants.models.route_key import new_route_key
from tenants.scopes import SCOPES, USUAL
from tenants.sealing import open_vault
from tenants.statements import remove

LONGEST_OVERLAP: Final = timedelta(days=7)
MOST_API_KEYS: Final = 20  # of a mode, at once
ANSWERS_KEPT_FOR: Final = timedelta(hours=24)


class BadKeyChange(ValueError):
    """A key cannot be made or changed in this way; the message says what can be done."""


def make_api_key(
    merchant: Merchant,
    mode: str,
    *,
    name: str,
    actor: str,
    at: datetime,
    scopes: Collection[str] = USUAL,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key for our API; its text is shown once, of which only a digest is kept. Raises BadKeyChange."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise BadKeyChange(f"There is no scope {unknown[0]}." if unknown else "Give the key at least one scope.")
    if expires_at is not None and expires_at <= at:
        raise BadKeyChange("The key would have expired already: choose a later day.")
    with transaction.atomic():
        Merchant.objects.select_for_update().get(id=merchant.id)
        if ApiKey.objects.filter(merchant=merchant, mode=mode, revoked_at=None).count() >= MOST_API_KEYS:
            raise BadKeyChange("20 keys are in use already: revoke one that is not needed first.")
        text, prefix, digest = new_api_key(mode)
        key = ApiKey.objects.create(
            merchant=merchant,
            mode=mode,
            name=name,
            prefix=prefix,
            digest=digest,
            scopes=[scope for scope in SCOPES if scope in scopes],
            created_at=at,
            expires_at=expires_at,
        )
        _note(merchant, "api_key.made", prefix, mode, actor=actor, at=at, name=name, scopes=" ".join(key.scopes))
    return key, text


def revoke_api_key(merchant: Merchant, mode: str, key_id: UUID, *, actor: str, at: datetime) -> ApiKey | None:
    """Close a key of our API at once, everywhere; None when the mode has no such key that is open."""
    with transaction.atomic():
        key = (
            ApiKey.objects.select_for_update().filter(merchant=merchant, mode=mode, id=key_id, revoked_at=None).first()
        )
        if key:
            key.revoked_at = at
            key.save(update_fields=["revoked_at"])
            _note(merchant, "api_key.revoked", key.prefix, mode, actor=actor, at=at)
    return key


def rotate_key(
    merchant: Merchant, mode: str, purpose: str, *, overlap: timedelta, actor: str, at: datetime
) -> tuple[MerchantKey, str]:
    """Give a mode another key for returns or orders; its text is shown once. Raises BadKeyChange.

    For the overlap, 0 to 7 days, the one before stays in use: of orders both are believed; returns are signed with
    the old one until then, so that the shop has time to learn the new one. Without an overlap the new one counts at
    once.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise BadKeyChange("Let the old key stay in use for 0 to 7 days.")
    with transaction.atomic():
        Merchant.objects.select_for_update().get(id=merchant.id)
        keys = MerchantKey.objects.filter(merchant=merchant, mode=mode, purpose=purpose)
        keys.filter(Q(retired_at=None) | Q(retired_at__gt=at + overlap)).update(retired_at=at + overlap)
        text, id_ = f"{purpose}_key_" + new_route_key("k")[3:], new_id()
        key = MerchantKey(
            id=id_,
            merchant=merchant,
            mode=mode,
            purpose=purpose,
            kid=f"{purpose[0]}k_{keys.count() + 1}",
            sealed=open_vault(merchant).seal(text.encode(), table="tenants_merchantkey", field="sealed", row=id_),
            created_at=at,
        )
        key.save(force_insert=True)
        seconds = int(overlap.total_seconds())
        _note(merchant, f"{purpose}_key.rotated", key.kid, mode, actor=actor, at=at, overlap_seconds=seconds)
    return key, text


def forget_answers() -> None:
    """Remove what a repeated POST may not ask for any more. For the public schema, now and then."""
    remove(IdempotentAnswer.objects.filter(created_at__lt=datetime.now(UTC) - ANSWERS_KEPT_FOR))


def _note(
    merchant: Merchant, action: str, subject: str, mode: str, *, actor: str, at: datetime, **detail: object
) -> None:
    AuditEntry.objects.create(
        merchant=merchant, at=at, actor=actor, action=action, subject=subject, detail={"mode": mode} | detail
    )
