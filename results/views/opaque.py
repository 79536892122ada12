"""The address of a customer's page: 128 random bits, and the merchant's id hidden beside them.

The merchant is found without a search over schemas; the random half is what authorises, so it is looked up together.
"""

import base64
import binascii
import hashlib
from functools import lru_cache
from uuid import UUID

from django.conf import settings

from tenants.encryption import mask

HALF = 16


def encode_page(merchant_id: UUID, page: UUID) -> str:
    """Return the last part of /r/…: 43 characters of base64url."""
    hidden = mask(merchant_id.bytes, nonce=page.bytes, secret=_secret(settings.SECRET_KEY))
    return base64.urlsafe_b64encode(page.bytes + hidden).rstrip(b"=").decode()


def decode_page(opaque: str) -> tuple[UUID, UUID] | None:
    """Return merchant and page; None for what we never made. Whether the page exists only the database knows."""
    try:
        data = base64.b64decode(opaque + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(data) != 2 * HALF:
        return None
    page = data[:HALF]
    return UUID(bytes=mask(data[HALF:], nonce=page, secret=_secret(settings.SECRET_KEY))), UUID(bytes=page)


@lru_cache(maxsize=2)
def _secret(secret_key: str) -> bytes:
    return hashlib.sha256(b"result page address:" + secret_key.encode()).digest()
