"""What a merchant chose for itself and for a mode, changed by a member and kept in the audit."""

from datetime import datetime
from typing import Any, Final

from django.db import transaction

from tenants.models import AuditEntry, Merchant, MerchantMode
from tenants.routing import forget_merchant

OF_A_MODE: Final = frozenset(
    {"policy", "confirm_policy", "prepares", "reads_prepared", "return_urls", "forwards", "origins"}
)


def choose(merchant: Merchant, mode: str, *, actor: str, at: datetime, **chosen: Any) -> list[str]:
    """Change what is given of a mode's choices; return what changed. Other processes know within half a minute."""
    if unknown := set(chosen) - OF_A_MODE:
        raise TypeError(f"a mode has no {', '.join(sorted(unknown))}")
    with transaction.atomic():
        row = MerchantMode.objects.select_for_update().get(merchant=merchant, mode=mode)
        changed = {name: [getattr(row, name), value] for name, value in chosen.items() if getattr(row, name) != value}
        if changed:
            MerchantMode.objects.filter(id=row.id).update(**{name: after for name, (_, after) in changed.items()})
            AuditEntry.objects.create(
                merchant=merchant, at=at, actor=actor, action="mode.changed", subject=mode, detail=changed
            )
    forget_merchant(merchant.id)
    return list(changed)


def choose_language(merchant: Merchant, language: str, *, actor: str, at: datetime) -> bool:
    """Choose the language of the customer's page, empty for each customer's own; say whether that is another."""
    with transaction.atomic():
        row = Merchant.objects.select_for_update().get(id=merchant.id)
        changed = bool(row.language != language)
        if changed:
            Merchant.objects.filter(id=row.id).update(language=language)
            AuditEntry.objects.create(
                merchant=row,
                at=at,
                actor=actor,
                action="language.changed",
                subject="customer's page",
                detail={"language": [row.language, language]},
            )
    forget_merchant(merchant.id)
    return changed
