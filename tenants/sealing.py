"""The key ring of this installation and each merchant's vault."""

from functools import lru_cache
from uuid import UUID

from django.conf import settings

from tenants.encryption import KeyRing, Place, Vault, new_data_key
from tenants.models import Merchant


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


def rewrap(merchant: Merchant) -> bool:
    """Wrap a merchant's data key with the newest key of the ring; False when it already is."""
    ring, wrapped = key_ring(), bytes(merchant.data_key or b"")
    if not wrapped or ring.is_current(wrapped):
        return False
    place = data_key_place(merchant.id)
    merchant.data_key = ring.wrap(ring.unwrap(wrapped, place), place)
    merchant.save(update_fields=["data_key"])
    return True
