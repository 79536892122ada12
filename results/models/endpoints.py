"""Where the merchant hears us."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.fields import SealedField, id_field, mode_field


class Endpoint(models.Model):
    """The merchant's callback URL with its signing secrets. Outbound only."""

    id = id_field()
    mode = mode_field()
    url = models.TextField(help_text="normalised when it was stored")
    events = ArrayField(models.CharField(max_length=48), default=list, help_text="types or prefixes like payment.*")
    description = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField()
    paused_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.url


class EndpointSecret(models.Model):
    """A sealed key that signs what an endpoint hears; while one retires, both sign."""

    id = id_field()
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="secrets")
    sealed = SealedField()
    created_at = models.DateTimeField()
    retires_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["endpoint", "-created_at"], name="endpoint_secret_newest_first")]

    def __str__(self) -> str:
        return f"signing secret of {self.endpoint_id}"
