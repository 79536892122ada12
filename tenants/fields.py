"""The column types that more than one model uses."""

from uuid import UUID

from django.db import models
from uuid_utils.compat import uuid7


class Mode(models.TextChoices):
    """The two isolated worlds of a merchant."""

    LIVE = "live", "live"
    TEST = "test", "test"


def new_id() -> UUID:
    """Return a UUIDv7: unique over all schemas, so a row saved under the wrong one overwrites nothing."""
    return uuid7()


def id_field() -> "models.UUIDField[UUID, UUID]":
    return models.UUIDField(primary_key=True, default=new_id, editable=False)


def mode_field() -> "models.CharField[str, str]":
    return models.CharField(max_length=4, choices=Mode.choices)


class SealedField(models.BinaryField):
    """Ciphertext of tenants.encryption. It never opens by itself: whoever may see it asks a Vault."""
