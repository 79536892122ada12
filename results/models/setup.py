"""How far a merchant has come on the way to the first payment."""

from typing import ClassVar

from django.db import models

from tenants.fields import id_field, mode_field


class Setup(models.Model):
    """What people entered and learned while they set a mode up, as far as no other row says it."""

    id = id_field()
    mode = mode_field()
    user_code = models.CharField(max_length=16, blank=True, help_text="the account's name in a browser, imp00000000")
    channels = models.JSONField(null=True, help_text="as PortOne last listed them; null: never read")
    channels_read_at = models.DateTimeField(null=True)
    urls_pasted_at = models.DateTimeField(null=True, help_text="when a member said that PortOne's console has our URLs")
    test_order = models.CharField(max_length=40, blank=True, help_text="the order that was made to be tried with")
    test_order_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mode"], name="one_setup_of_a_mode"),
        ]

    def __str__(self) -> str:
        return f"setup of {self.mode}"
