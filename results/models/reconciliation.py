"""How far PortOne's own list has been read."""

from typing import ClassVar

from django.db import models

from tenants.fields import id_field, mode_field


class Reconciliation(models.Model):
    """How far a mode's payments at PortOne have been read. One row for each mode.

    `watermark` is when the newest sweep began that was applied to its last page; `began_at` and `page` are of the
    sweep under way, `reach` is how far back it reads.
    """

    class Reach(models.TextChoices):
        RECENT = "recent", "until nothing is new"
        DAYS = "days", "three days"
        QUARTER = "quarter", "ninety days"

    id = id_field()
    mode = mode_field()
    since = models.DateTimeField(help_text="payments that moved before it are not ours to tell")
    watermark = models.DateTimeField(null=True)
    reach = models.CharField(max_length=7, choices=Reach.choices, default=Reach.RECENT)
    began_at = models.DateTimeField(null=True)
    page = models.IntegerField(default=0)
    days_read_at = models.DateTimeField(null=True)
    quarter_read_at = models.DateTimeField(null=True)
    gaps = models.IntegerField(default=0, help_text="sweeps that found paid payments of which nothing ever arrived")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mode"], name="one_reconciliation_of_a_mode"),
        ]

    def __str__(self) -> str:
        return f"{self.mode} until {self.watermark}"
