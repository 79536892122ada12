"""Rows that several merchants share: whose a payment is, and failures that no table names yet."""

from typing import ClassVar
from uuid import UUID

from django.db import models

from tenants.fields import id_field, mode_field


class TakenPayment(models.Model):
    """Whose a payment of a PortOne account is: the merchant and mode that published it first, for ever.

    Two merchants may hold keys of one account (an agency, or copied keys), and PortOne answers both.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.BinaryField(max_length=32)
    imp_uid = models.CharField(max_length=32)
    merchant: "models.UUIDField[UUID, UUID]" = models.UUIDField()
    mode = mode_field()
    taken_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "imp_uid"], name="a_payment_belongs_to_one_merchant"),
        ]

    def __str__(self) -> str:
        return f"{self.imp_uid} of {self.merchant} {self.mode}"


class UnmappedFailure(models.Model):
    """A reason for a failure that no table names yet, and how often PortOne gave it. Digits are left out."""

    id = id_field()
    pg = models.CharField(max_length=16, blank=True)
    code = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    confidence = models.CharField(max_length=9)
    count = models.BigIntegerField(default=1)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["pg", "code", "reason"], name="an_unmapped_failure_is_counted_once"),
        ]

    def __str__(self) -> str:
        return f"{self.pg} {self.code} {self.reason}"
