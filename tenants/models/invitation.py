"""Who was asked to join a merchant and has not answered yet."""

from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q

from tenants.fields import id_field
from tenants.models.merchant import Merchant
from tenants.models.people import Membership, User


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self, *, at: datetime) -> Self:
        """Invitations that may still be accepted at this moment."""
        return self.filter(accepted_at=None, withdrawn_at=None, expires_at__gt=at, merchant__closed_at=None)


class Invitation(models.Model):
    """An address that was asked to join a merchant with a role; it lapses unless it is accepted in time."""

    id = id_field()
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=9, choices=Membership.Role.choices)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["merchant", "email"],
                condition=Q(accepted_at=None, withdrawn_at=None),
                name="invited_to_a_merchant_once_at_a_time",
            ),
            models.CheckConstraint(condition=Q(accepted_at=None) | Q(withdrawn_at=None), name="invitation_ends_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["email"], name="invitation_of_an_address")]

    def __str__(self) -> str:
        return f"{self.email} as {self.role} of {self.merchant_id}"
