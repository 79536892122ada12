"""Who changed what."""

from typing import ClassVar

from django.db import models

from tenants.fields import id_field
from tenants.models.merchant import Merchant


class AuditEntry(models.Model):
    """One change that somebody made, which the merchant may read. Never a secret, never altered."""

    id = id_field()
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="audit")
    at = models.DateTimeField()
    actor = models.CharField(max_length=254, help_text="a member's e-mail, or the command that did it")
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=120, blank=True)
    detail = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["merchant", "-at"], name="audit_newest_first")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor} {self.action} {self.subject}"
