"""How are the seeds of people's second factors kept? Sealed with the key ring, as they belong to no merchant."""

from typing import Final
from uuid import UUID

import structlog
from allauth.mfa.models import Authenticator

from tenants.encryption import Place, SealingError
from tenants.sealing import open_text, renew_text, seal_text

log = structlog.get_logger()

NOBODY: Final = UUID(int=0)
# allauth gives us the text alone, so a seed is bound to its table and field, and not to its row.
SEED: Final = Place(NOBODY, "mfa_authenticator", "data", NOBODY)
SEALED_FIELDS: Final = ("secret", "seed")


def seal_seed(text: str) -> str:
    return seal_text(text, SEED)


def open_seed(sealed: str) -> str:
    """Return the seed, or raise SealingKeyMissing or SealBroken."""
    return open_text(sealed, SEED)


def reseal_factors() -> tuple[int, int]:
    """Seal every seed with the newest key of the ring; return how many were renewed, and how many do not open."""
    renewed = lost = 0
    for factor in Authenticator.objects.order_by("id").iterator():
        try:
            data = factor.data | {name: renew_text(factor.data[name], SEED) for name in _sealed_in(factor)}
        except SealingError as error:
            log.error("second_factor_closed", factor=factor.pk, error=str(error))
            lost += 1
            continue
        if data != factor.data:
            # Only over what was read: a recovery code that is used meanwhile must stay used.
            renewed += Authenticator.objects.filter(pk=factor.pk, data=factor.data).update(data=data)
    return renewed, lost


def _sealed_in(factor: Authenticator) -> list[str]:
    return [name for name in SEALED_FIELDS if name in factor.data]
