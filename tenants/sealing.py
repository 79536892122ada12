"""The key ring of this installation and each merchant's vault."""

import base64
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from uuid import UUID

from django.conf import settings

from tenants.encryption import KeyRing, Place, SealBroken, Vault, new_data_key
from tenants.models import Merchant

MERCHANTS_A_STEP: Final = 200


@lru_cache(maxsize=4)
def _read_ring(text: str) -> KeyRing:
    return KeyRing.from_text(text)


def key_ring() -> KeyRing:
    """Return the ring of SEALING_KEYS; ValueError names what is wrong with it."""
    return _read_ring(settings.SEALING_KEYS)


def data_key_place(merchant_id: UUID) -> Place:
    return Place(merchant_id, "tenants_merchant", "data_key", merchant_id)


def new_wrapped_data_key(merchant_id: UUID) -> bytes:
    return key_ring().wrap(new_data_key(), data_key_place(merchant_id))


def open_vault(merchant: Merchant) -> Vault:
    """Return what seals and opens a merchant's values; raise SealingKeyMissing or SealBroken."""
    wrapped = bytes(merchant.data_key or b"")
    return Vault(merchant.id, key_ring().unwrap(wrapped, data_key_place(merchant.id)))


def merchants_with_keys(step: int = MERCHANTS_A_STEP) -> Iterator[Merchant]:
    """Yield every merchant that was not shredded, oldest first, reading a step of rows at a time."""
    last = UUID(int=0)
    while rows := list(Merchant.objects.filter(id__gt=last).exclude(data_key=None).order_by("id")[:step]):
        yield from rows
        last = rows[-1].id


def rewrap(merchant: Merchant) -> bool:
    """Wrap a merchant's data key with the newest key of the ring; False when there is nothing to do.

    Raises SealingKeyMissing or SealBroken.
    """
    ring, wrapped = key_ring(), bytes(merchant.data_key or b"")
    if not wrapped or ring.is_current(wrapped):
        return False
    place = data_key_place(merchant.id)
    renewed = ring.wrap(ring.unwrap(wrapped, place), place)
    # Only over what was read: a data key that was shredded meanwhile must not come back.
    return bool(Merchant.objects.filter(id=merchant.id, data_key=wrapped).update(data_key=renewed))


def seal_text(text: str, place: Place) -> str:
    """Seal what belongs to no merchant, under the newest key of the ring, as text for a column or a payload."""
    return base64.b64encode(key_ring().newest.seal(text.encode(), place)).decode()


def open_text(sealed: str, place: Place) -> str:
    """Return what `seal_text` sealed for this place; raise SealingKeyMissing or SealBroken."""
    blob = _read_sealed(sealed)
    return key_ring().key_of(blob).open(blob, place).decode()


def renew_text(sealed: str, place: Place) -> str:
    """Return the same value sealed under the newest key; the very same text when it already is."""
    if key_ring().is_current(_read_sealed(sealed)):
        return sealed
    return seal_text(open_text(sealed, place), place)


def _read_sealed(sealed: str) -> bytes:
    try:
        return base64.b64decode(sealed, validate=True)
    except ValueError as error:
        raise SealBroken("not a sealed value") from error
