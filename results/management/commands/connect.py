"""Give a merchant's mode other PortOne keys: because they changed, were refused, or lead to another account."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand

from results.connect import connect_account
from results.core.ids import encode
from results.management.merchant_options import (
    SHARED,
    add_merchant_options,
    add_portone_options,
    check_portone_options,
    read_merchant,
)
from results.reconcile import ensure_sweeps

ACTOR = "manage.py connect"


class Command(BaseCommand):
    help = "Give a merchant's mode PortOne keys in place of those it has; what waits is asked at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_merchant_options(parser)
        add_portone_options(parser)

    def handle(self, *, merchant: str, mode: str, imp_key: str, imp_secret: str, tier: str, **options: Any) -> None:
        check_portone_options({"imp_key": imp_key, "imp_secret": imp_secret, "tier": tier})
        route, at = read_merchant(merchant, mode), datetime.now(UTC)
        others = connect_account(route, imp_key=imp_key, imp_secret=imp_secret, tier=tier, actor=ACTOR, at=at)
        ensure_sweeps()
        if others:
            self.stderr.write(SHARED.format(", ".join(encode("mer", other) for other in others)))
        self.stdout.write(f"{route.name}, {mode} mode: the new PortOne keys are in use; questions go on at once")
