"""What a merchant asked to be told again."""

from typing import ClassVar

from django.db import models

from results.models.endpoints import Endpoint
from tenants.fields import id_field, mode_field


class Replay(models.Model):
    """One wish to be told again, worked through in small batches by a job; `position` is the newest event done.

    `wish` is the filter: event, types, order, status, since, until, undelivered. It goes over events, not deliveries,
    so that an endpoint which was made later hears them too.
    """

    class State(models.TextChoices):
        RUNNING = "running", "running"
        FINISHED = "finished", "finished"
        CANCELLED = "cancelled", "cancelled"

    id = id_field()
    mode = mode_field()
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, null=True, help_text="null: all that subscribe")
    wish = models.JSONField()
    actor = models.CharField(max_length=254, help_text="a member's e-mail, or the command that asked for it")
    state = models.CharField(max_length=9, choices=State.choices, default=State.RUNNING)
    position = models.UUIDField(null=True)
    expected = models.IntegerField(help_text="deliveries that were counted when it was asked for")
    made = models.IntegerField(default=0, help_text="deliveries made due so far")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["mode", "-created_at"], name="replay_newest_first")]

    def __str__(self) -> str:
        return f"{self.state}: {self.made} of {self.expected}"
