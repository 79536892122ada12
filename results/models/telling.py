"""What was concluded, who is to hear it, and each try to tell them."""

from typing import ClassVar
from uuid import UUID

from django.db import models

from results.core.words import EventType
from results.models.endpoints import Endpoint
from results.models.money import Order, Payment
from tenants.fields import id_field, mode_field


class Event(models.Model):
    """A result frozen as bytes, with an id and a sequence of its order. Never altered: a correction is a new one."""

    id = id_field()
    mode = mode_field()
    # Found by the constraint's index, which begins with it.
    order = models.ForeignKey(Order, on_delete=models.CASCADE, null=True, related_name="events", db_index=False)
    payment = models.ForeignKey(Payment, on_delete=models.CASCADE, null=True, related_name="events")
    sequence = models.IntegerField(null=True)
    type = models.CharField(max_length=48)
    created_at = models.DateTimeField()
    supersedes: "models.UUIDField[UUID | None, UUID | None]" = models.UUIDField(null=True)
    body = models.BinaryField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "sequence"], name="event_sequence_once_in_an_order"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["created_at"], name="event_of_a_claim", condition=models.Q(type__startswith="claim.")),
            models.Index(fields=["mode", "created_at", "id"], name="event_in_order_of_time"),
            models.Index(
                fields=["mode", "created_at"],
                name="event_of_a_gap",
                condition=models.Q(type=EventType.RECONCILIATION_GAP.value),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} #{self.sequence}"


class Delivery(models.Model):
    """One event that one endpoint is to hear: undelivered, delivered or given up.

    A round of tries begins when it is made, when its endpoint comes back, or by a replay; the schedule and the seven
    days count from there. `heard_at` outlives the round: a replay owes anew what was heard long ago.
    """

    id = id_field()
    # Found by the constraint's index, which begins with it.
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries")
    created_at = models.DateTimeField()
    began_at = models.DateTimeField(null=True, help_text="when this round began; null: when it was made")
    step = models.SmallIntegerField(default=0, db_default=0, help_text="tries of this round")
    tries = models.IntegerField(default=0, help_text="number of the newest attempt, over all rounds")
    tried_at = models.DateTimeField(null=True, help_text="when the newest attempt ended")
    delivered_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    heard_at = models.DateTimeField(null=True, help_text="when the endpoint took it for the first time")
    draining = models.BooleanField(
        default=False, db_default=False, help_text="backlog not tried yet, sent strictly by the sequence of its order"
    )
    replay = models.ForeignKey(
        "results.Replay", on_delete=models.SET_NULL, null=True, db_index=False, help_text="what began this round"
    )
    again = models.BooleanField(
        default=False, db_default=False, help_text="it had ended before this round; a cancelled replay ends it again"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "endpoint"], name="delivery_once_per_endpoint"),
            models.CheckConstraint(
                condition=models.Q(delivered_at=None) | models.Q(given_up_at=None), name="delivery_ends_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["replay"], name="delivery_of_a_replay", condition=~models.Q(replay=None)),
            models.Index(
                fields=["endpoint", "created_at"],
                name="delivery_undelivered",
                condition=models.Q(delivered_at=None, given_up_at=None),
            ),
            models.Index(fields=["given_up_at"], name="delivery_given_up", condition=~models.Q(given_up_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.endpoint_id}"


class Attempt(models.Model):
    """One request made for a delivery, and what the endpoint answered."""

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", "schedule"
        REPLAY = "replay", "replay"
        TEST = "test", "test"

    id = id_field()
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    number = models.IntegerField()
    trigger = models.CharField(max_length=8, choices=Trigger.choices, default=Trigger.SCHEDULE)
    started_at = models.DateTimeField()
    duration_ms = models.IntegerField()
    status = models.SmallIntegerField(null=True)
    error = models.CharField(max_length=16, blank=True, help_text="coarse; the merchant sees it")
    detail = models.CharField(max_length=300, blank=True, help_text="for the operator")
    body = models.BinaryField(help_text="the first 16 KiB of the answer")
    truncated = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.delivery_id}"
