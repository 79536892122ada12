"""Who is served here: a merchant, its two modes and its own host name if it has one."""

from typing import ClassVar, Final, Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin

from tenants.fields import SealedField, id_field, mode_field

# Days, least and most. An attempt outlives the seven days in which its delivery is tried.
KEEPS: Final = {"keeps_arrivals": (1, 90), "keeps_replies": (1, 90), "keeps_attempts": (7, 365)}


class Policy(models.TextChoices):
    """What an order that nobody registered is worth."""

    OPEN = "open", "open"
    STRICT = "strict", "strict"


class ConfirmPolicy(models.TextChoices):
    """What PortOne's confirm process hears when we cannot say: an unknown order, or no database."""

    OPEN = "open", "approve"
    CLOSED = "closed", "refuse"


class Language(models.TextChoices):
    KOREAN = "ko", "한국어"
    ENGLISH = "en", "English"


class MerchantQuerySet(models.QuerySet["Merchant"]):
    def ready(self) -> Self:
        """Merchants whose schema exists and is in use."""
        return self.filter(state=Merchant.State.READY)

    def unfinished(self) -> Self:
        """Merchants whose schema is still to be made, or whose making failed."""
        return self.exclude(state=Merchant.State.READY).filter(closed_at=None)


class Merchant(TenantMixin):
    """Our tenant: one schema, two modes, some members."""

    class State(models.TextChoices):
        PENDING = "pending", "pending"
        CREATING = "creating", "creating"
        READY = "ready", "ready"
        FAILED = "failed", "failed"

    auto_create_schema = False
    auto_drop_schema = False

    id = id_field()
    name = models.CharField(max_length=80)
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING)
    fault = models.TextField(blank=True, help_text="why the last provisioning failed")
    data_key = SealedField(null=True, help_text="wrapped by the key ring; deleted to shred")
    language = models.CharField(
        max_length=2,
        choices=Language.choices,
        blank=True,
        help_text="of the customer's page; empty: the browser's",
    )
    keeps_arrivals = models.SmallIntegerField(
        default=30, db_default=30, help_text="days that notifications and PortOne's raw answers stay"
    )
    keeps_replies = models.SmallIntegerField(default=30, db_default=30, help_text="days that bodies of replies stay")
    keeps_attempts = models.SmallIntegerField(default=90, db_default=90, help_text="days that attempts stay")
    created_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    objects = MerchantQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            # Schema names reach SQL as identifiers: we make them, and nothing else may get in.
            models.CheckConstraint(
                condition=models.Q(schema_name__regex=r"^(public|t_[0-9a-f]{32})$"),
                name="merchant_schema_name_is_ours",
            ),
            *(
                models.CheckConstraint(condition=models.Q((f"{one}__range", limits)), name=f"merchant_{one}_in_limits")
                for one, limits in KEEPS.items()
            ),
            models.CheckConstraint(
                condition=models.Q(keeps_replies__lte=models.F("keeps_attempts")),
                name="merchant_keeps_replies_no_longer_than_attempts",
            ),
        ]

    def __str__(self) -> str:
        return self.name


def schema_name_for(merchant_id: UUID) -> str:
    """Return the schema's name: made from our id, never from anyone's text."""
    return f"t_{merchant_id.hex}"


class MerchantMode(models.Model):
    """One of a merchant's two worlds and what the merchant chose for it."""

    id = id_field()
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="modes")
    mode = mode_field()
    policy = models.CharField(max_length=6, choices=Policy.choices, default=Policy.OPEN)
    confirm_policy = models.CharField(
        max_length=6, choices=ConfirmPolicy.choices, default=ConfirmPolicy.OPEN, db_default="open"
    )
    prepares = models.BooleanField(
        default=False, db_default=False, help_text="announce registered amounts to PortOne; live mode only"
    )
    reads_prepared = models.BooleanField(
        default=False, db_default=False, help_text="read back what the shop announced to PortOne itself"
    )
    return_urls = ArrayField(models.TextField(), default=list, blank=True)
    forwards = models.BooleanField(
        default=False, db_default=False, help_text="send customers back by themselves once their payment is confirmed"
    )
    origins = ArrayField(models.TextField(), default=list, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["merchant", "mode"], name="merchant_has_each_mode_once"),
        ]

    def __str__(self) -> str:
        return f"{self.merchant_id} {self.mode}"


class CustomHost(DomainMixin):
    """A host name of the merchant's own. Optional: merchants are found by route key, not by host."""
