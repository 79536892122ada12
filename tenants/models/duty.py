"""What is owed: the rows that are the queue."""

from typing import ClassVar
from uuid import UUID

from django.db import models

from tenants.fields import mode_field


class Duty(models.Model):
    """Something owed: a row with a time, removed when done.

    A worker that takes one moves `due_at` to the end of its lease: if that worker dies, the duty comes due again.
    `merchant` is no foreign key, since this is the hottest table; `reference` is a row of the merchant's schema.
    """

    class Kind(models.TextChoices):
        VERIFY = "verify", "verify a notification"
        VOUCHED = "vouched", "verify a notification that a registered order or its sender speaks for"
        ASK = "ask", "ask about a payment again"
        SWEEP = "sweep", "read what PortOne's list shows"
        PREPARE = "prepare", "announce an order's amount to PortOne"
        DELIVER = "deliver", "make a delivery for the first time"
        REDELIVER = "redeliver", "make a delivery again"
        PROBE = "probe", "see whether a failing endpoint is back"

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=9, choices=Kind.choices)
    merchant: "models.UUIDField[UUID, UUID]" = models.UUIDField()
    mode = mode_field()
    lane: "models.UUIDField[UUID, UUID]" = models.UUIDField(
        help_text="the queue it stands in: the mode's row for questions, an endpoint for deliveries"
    )
    reference: "models.UUIDField[UUID, UUID]" = models.UUIDField()
    due_at = models.DateTimeField()
    tries = models.SmallIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["kind", "due_at"], include=["lane"], name="duty_due"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["reference"], condition=models.Q(kind="ask"), name="a_payment_is_asked_about_once"
            ),
            models.UniqueConstraint(
                fields=["reference"], condition=models.Q(kind="sweep"), name="a_mode_is_swept_once_at_a_time"
            ),
            models.UniqueConstraint(
                fields=["reference"], condition=models.Q(kind="prepare"), name="an_order_is_prepared_once_at_a_time"
            ),
            models.UniqueConstraint(
                fields=["reference"], condition=models.Q(kind="probe"), name="an_endpoint_is_probed_once_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference} at {self.due_at:%H:%M:%S}"
