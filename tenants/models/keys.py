"""The keys we hand out: API keys (kept as a digest) and the keys that sign returns and orders (kept sealed)."""

import hashlib
import hmac
import secrets
from typing import ClassVar

from django.conf import settings
from django.db import models

from tenants.fields import SealedField, id_field, mode_field
from tenants.models.merchant import Merchant
from tenants.models.route_key import ALPHABET

PREFIX_LENGTH = 8
SECRET_LENGTH = 32


class ApiKey(models.Model):
    """What the merchant's server shows to our API. Shown once; a prefix and a peppered digest are kept."""

    id = id_field()
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="api_keys")
    mode = mode_field()
    name = models.CharField(max_length=60, blank=True, db_default="", help_text="for people: where it is used")
    prefix = models.CharField(max_length=32, unique=True)
    digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.prefix


def new_api_key(mode: str) -> tuple[str, str, bytes]:
    """Return the key as the merchant sees it, its visible prefix, and the digest to keep."""
    prefix = f"pwk_{mode}_" + "".join(secrets.choice(ALPHABET) for _ in range(PREFIX_LENGTH))
    key = f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    return key, prefix, digest_of(key)


def digest_of(key: str) -> bytes:
    """Return HMAC-SHA256 under a pepper that is not in the database: a dump alone tests no guess."""
    pepper = hashlib.sha256(b"api key pepper:" + settings.SECRET_KEY.encode()).digest()
    return hmac.digest(pepper, key.encode(), "sha256")


class MerchantKey(models.Model):
    """A sealed key that the merchant's server shares with us, for returns or for orders; two live at once."""

    class Purpose(models.TextChoices):
        RETURN = "return", "return"
        ORDER = "order", "order"

    id = id_field()
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="keys")
    mode = mode_field()
    purpose = models.CharField(max_length=6, choices=Purpose.choices)
    kid = models.CharField(max_length=16)
    sealed = SealedField()
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["merchant", "mode", "purpose", "kid"], name="merchant_key_id_once"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} key {self.kid}"
