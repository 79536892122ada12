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
from tenants.scopes import USUAL

PREFIX_LENGTH = 8
SECRET_LENGTH = 32


def usual_scopes() -> list[str]:
    return list(USUAL)


class ApiKey(models.Model):
    """What the merchant's server shows to our API. Shown once; a prefix and a peppered digest are kept."""

    id = id_field()
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="api_keys")
    mode = mode_field()
    name = models.CharField(max_length=60, blank=True, db_default="", help_text="for people: where it is used")
    prefix = models.CharField(max_length=32, unique=True)
    digest = models.BinaryField(max_length=32)
    scopes = models.JSONField(default=usual_scopes, db_default=models.Value(list(USUAL), models.JSONField()))
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    spent_until = models.DateTimeField(null=True, help_text="where the requests so far reach at the steady rate")

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


class IdempotentAnswer(models.Model):
    """What a POST with an Idempotency-Key was answered: the same again gets the same, for a day."""

    id = id_field()
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+", db_index=False)
    mode = mode_field()
    key = models.BinaryField(max_length=32, help_text="digest of what the merchant's server sent")
    request = models.BinaryField(max_length=32, help_text="digest of method, address and body")
    sealed = SealedField(help_text="status and document: some hold a secret that is shown once")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["merchant", "mode", "key"], name="idempotency_key_once_in_a_mode"),
        ]

    def __str__(self) -> str:
        return f"answer to a POST of {self.merchant_id} {self.mode}"


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
