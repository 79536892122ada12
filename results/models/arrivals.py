"""What arrived, and what PortOne said when it was asked."""

from typing import ClassVar, Self
from uuid import UUID

from django.db import models

from tenants.fields import SealedField, id_field, mode_field


class NotificationQuerySet(models.QuerySet["Notification"]):
    def unsettled(self) -> Self:
        """Arrivals that no answer of PortOne has settled yet."""
        return self.filter(settled_at=None)


class Notification(models.Model):
    """One arrival, written down: a landing or a webhook. What it says is a claim and decides nothing."""

    class Kind(models.TextChoices):
        LANDING = "landing", "landing"
        WEBHOOK = "webhook", "webhook"

    id = id_field()
    mode = mode_field()
    kind = models.CharField(max_length=7, choices=Kind.choices)
    received_at = models.DateTimeField()
    imp_uid = models.CharField(max_length=32, null=True)
    merchant_uid = models.CharField(max_length=40, null=True)
    claim = models.JSONField(help_text="the rest of the Claim (core/claim.py)")
    address = models.GenericIPAddressField(null=True, help_text="where it came from; recorded, never trusted")
    # The random half of /r/{opaque}: one for each landing.
    page: "models.UUIDField[UUID | None, UUID | None]" = models.UUIDField(null=True, unique=True)
    raw = SealedField(null=True, help_text="what really came; SDKs append the buyer's name, so it is sealed")
    raw_expires_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["imp_uid"], name="notification_of_payment"),
            models.Index(fields=["merchant_uid"], name="notification_of_order"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} about {self.imp_uid or self.merchant_uid or 'nothing readable'}"


class Verification(models.Model):
    """One question to PortOne about one payment, and its answer. The raw answer is sealed and expires."""

    class Question(models.TextChoices):
        SINGLE = "single", "one payment"
        BATCH = "batch", "up to 100 payments"
        FIND_ALL = "find_all", "every payment of an order"
        LIST = "list", "a page of a sweep"

    class Answer(models.TextChoices):
        FOUND = "found", "found"
        UNKNOWN = "unknown", "unknown to PortOne"
        REFUSED = "refused", "keys refused"
        UNAVAILABLE = "unavailable", "no usable answer"

    id = id_field()
    mode = mode_field()
    question = models.CharField(max_length=8, choices=Question.choices)
    imp_uid = models.CharField(max_length=32, null=True)
    merchant_uid = models.CharField(max_length=40, null=True)
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField()
    answer = models.CharField(max_length=11, choices=Answer.choices)
    detail = models.CharField(max_length=300, blank=True)
    snapshot = models.JSONField(null=True, help_text="the Snapshot, which has no personal data")
    raw = SealedField(null=True)
    raw_expires_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["imp_uid", "-asked_at"], name="verification_of_payment"),
            models.Index(fields=["merchant_uid", "-asked_at"], name="verification_of_order"),
        ]

    def __str__(self) -> str:
        return f"{self.imp_uid or self.merchant_uid}: {self.answer}"
