"""How a merchant shows itself to its customers."""

from typing import ClassVar

from django.db import models

from tenants.models.merchant import Merchant


class MerchantBrand(models.Model):
    """The name, colour and logo that a merchant's customers see beside their result; empty: ours in its place."""

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, primary_key=True, related_name="brand")
    name = models.CharField(max_length=80, blank=True)
    colour = models.CharField(max_length=6, blank=True, help_text="six hexadecimal digits in lower case")
    logo = models.BinaryField(null=True, help_text="WebP of our own making, never the bytes that were uploaded")
    logo_name = models.CharField(max_length=32, blank=True, help_text="digest of the logo, its address")

    class Meta:
        constraints: ClassVar = [
            # Both reach addresses and a style sheet.
            models.CheckConstraint(condition=models.Q(colour__regex=r"^([0-9a-f]{6})?$"), name="brand_colour_is_plain"),
            models.CheckConstraint(
                condition=models.Q(logo_name__regex=r"^([0-9a-f]{32})?$"), name="brand_logo_name_is_plain"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["logo_name"], name="brand_of_a_logo")]

    def __str__(self) -> str:
        return f"brand of {self.merchant_id}"
