"""What may a shop be called, in letters to strangers and before its customers' eyes?"""

import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

LEADING_ELSEWHERE = ("://", "www.")


def check_name(name: str) -> None:
    """Refuse a name that hides or turns its letters, or that leads somewhere; for fields of forms."""
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp") for letter in name):
        raise ValidationError(_("The name holds characters that nobody sees: type it anew."))
    if any(part in name.lower() for part in LEADING_ELSEWHERE):
        raise ValidationError(_("Give a name, not an address."))
