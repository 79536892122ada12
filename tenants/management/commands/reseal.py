"""Rotate the sealing key: wrap every merchant's data key with the newest key of SEALING_KEYS.

    1. Put the new key in front of the old one in SEALING_KEYS, everywhere, and restart web and workers.
    2. manage.py reseal, until it says that nothing is left.
    3. Take the old key out of SEALING_KEYS.

Merchants' own values stay as they are: only the key that seals them is wrapped anew. The seeds of people's second
factors belong to no merchant, and are sealed anew themselves.
"""

from collections import Counter
from enum import StrEnum
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants.encryption import SealBroken, SealingKeyMissing
from tenants.factors import reseal_factors
from tenants.models import Merchant
from tenants.sealing import key_ring, merchants_with_keys, rewrap


class Outcome(StrEnum):
    REWRAPPED = "re-wrapped"
    CURRENT = "already current"
    FAILED = "failed"


class Command(BaseCommand):
    help = "Wrap data keys and seal second factors with the newest key of SEALING_KEYS; may be stopped and run again."

    def handle(self, **options: Any) -> None:
        newest = key_ring().newest.id
        counts = Counter(self.reseal(merchant) for merchant in merchants_with_keys())
        told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome)
        self.stdout.write(f"data keys under {newest!r}: {told}")
        renewed, lost = reseal_factors()
        if renewed or lost:
            self.stdout.write(f"second factors: {renewed} sealed anew, {lost} failed")
        if counts[Outcome.FAILED] or lost:
            raise CommandError("Keep the old keys in SEALING_KEYS, mend the lines above and run this again.")

    def reseal(self, merchant: Merchant) -> Outcome:
        """Renew one merchant's wrapping; one that fails is named with its mend and keeps nobody else waiting."""
        try:
            return Outcome.REWRAPPED if rewrap(merchant) else Outcome.CURRENT
        except SealingKeyMissing as error:
            self.stderr.write(f"{merchant.id} {merchant.name}: {error}")
        except SealBroken as error:
            self.stderr.write(f"{merchant.id} {merchant.name}: {error}; restore its row from a backup")
        return Outcome.FAILED
