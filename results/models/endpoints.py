"""Where the merchant hears us."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.fields import SealedField, id_field, mode_field


class EndpointsThere(models.Manager["Endpoint"]):
    """Endpoints but those that were deleted, which nobody lists, changes or tells any more."""

    def get_queryset(self) -> models.QuerySet["Endpoint"]:
        return super().get_queryset().filter(deleted_at=None)


class Endpoint(models.Model):
    """The merchant's callback URL with its signing secrets. Outbound only.

    `failures` and `failing_since` count what has failed since the last success. While `opened_at` is set the circuit
    is open: one probe at a time is sent, and everything else waits as backlog without duties, as it does while the
    endpoint is paused or disabled. One that was deleted has its row for the ledger alone: what it heard refers to it.
    `objects` passes it over; the ledger reads `ever`.
    """

    class Disabled(models.TextChoices):
        GONE = "gone", "it answered 410 Gone"
        FAILING = "failing", "nothing but failure for five days"

    id = id_field()
    mode = mode_field()
    url = models.TextField(help_text="normalised when it was stored")
    events = ArrayField(models.CharField(max_length=48), default=list, help_text="types or prefixes like payment.*")
    description = models.CharField(max_length=120, blank=True)
    headers = SealedField(null=True, help_text="fixed headers that the merchant adds, as JSON; they may be secret")
    created_at = models.DateTimeField()
    paused_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_because = models.CharField(max_length=7, choices=Disabled.choices, blank=True, db_default="")
    failures = models.IntegerField(default=0, db_default=0, help_text="failed attempts in a row")
    failing_since = models.DateTimeField(null=True, help_text="when the first of them was made")
    warned_at = models.DateTimeField(null=True, help_text="when its merchant was told that it is failing")
    opened_at = models.DateTimeField(null=True, help_text="since when it is only probed")
    probes = models.SmallIntegerField(default=0, db_default=0, help_text="failed probes since then")
    deleted_at = models.DateTimeField(null=True, help_text="when its duties ended for good")

    ever: ClassVar[models.Manager["Endpoint"]] = models.Manager()
    objects = EndpointsThere()

    def __str__(self) -> str:
        return self.url

    @property
    def listens(self) -> bool:
        """True when what is published goes out at once."""
        return self.paused_at is None and self.disabled_at is None and self.opened_at is None


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
