"""The merchant's keys at PortOne."""

from typing import ClassVar

from django.db import models

from tenants.fields import SealedField, id_field, mode_field
from tenants.models.merchant import Merchant


class Credential(models.Model):
    """The merchant's keys at PortOne for one mode, sealed; and the token that they bought, sealed too.

    Only results/portone/ opens these columns.
    """

    id = id_field()
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="credentials")
    mode = mode_field()
    imp_key = SealedField()
    imp_secret = SealedField()
    tier = models.CharField(max_length=3, blank=True)
    token = SealedField(null=True)
    token_expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    account = models.BinaryField(max_length=32, null=True, help_text="digest of key and tier: one PortOne account")
    # How asking goes. Refused or silent, PortOne is only probed until it answers again.
    refused_at = models.DateTimeField(null=True, help_text="since when PortOne refuses these keys")
    paused_until = models.DateTimeField(null=True, help_text="no question before this moment, then one probe")
    pauses = models.SmallIntegerField(default=0, db_default=0, help_text="pauses in a row; each is longer")
    spent_until = models.DateTimeField(null=True, help_text="until when the questions asked so far use the budget up")
    slowed_until = models.DateTimeField(null=True, help_text="PortOne said 429: fewer questions until then")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["merchant", "mode"], name="one_credential_for_a_mode"),
        ]
        indexes: ClassVar = [models.Index(fields=["account"], name="credential_of_account")]

    def __str__(self) -> str:
        return f"PortOne keys of {self.merchant_id} {self.mode}"
