"""What names a merchant and mode in a URL."""

import secrets
from typing import ClassVar

from django.db import models

from tenants.fields import id_field, mode_field
from tenants.models.merchant import Merchant

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
KEY_LENGTH = 26  # 130 random bits


class RouteKey(models.Model):
    """What names a merchant and mode in a URL; each kind opens only its own paths."""

    class Kind(models.TextChoices):
        BROWSER = "browser", "browser"
        WEBHOOK = "webhook", "webhook"

    id = id_field()
    key = models.CharField(max_length=40, unique=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="route_keys")
    mode = mode_field()
    kind = models.CharField(max_length=7, choices=Kind.choices)
    created_at = models.DateTimeField()
    # PortOne re-sends old payments to the old URL, so a rotated key opens until this moment. Null: current.
    works_until = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["merchant", "mode", "kind"],
                condition=models.Q(works_until=None),
                name="one_current_route_key_of_a_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} key of {self.merchant_id} {self.mode}"


def new_route_key(kind: str) -> str:
    """Return a fresh key; its first letter tells people which kind they hold, never a program."""
    return f"{kind[0]}k_" + "".join(secrets.choice(ALPHABET) for _ in range(KEY_LENGTH))
