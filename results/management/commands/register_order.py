"""Say what a merchant expects to be paid."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from results.core.claim import MERCHANT_UID_LENGTH, UNPRINTABLE
from results.core.money import MAX_MINOR, Money, exponent_of, written
from results.management.merchant_options import add_merchant_options, read_merchant
from results.publish import PriceIsSettled, register_order
from tenants.routing import inside


class Command(BaseCommand):
    help = "Say what a merchant expects to be paid for an order."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_merchant_options(parser)
        parser.add_argument(
            "--order", required=True, help="the shop's own number (merchant_uid), 40 characters at most"
        )
        parser.add_argument("--amount", required=True, type=int, help="minor units: 64900 is ₩64,900; 1420 is $14.20")
        parser.add_argument("--currency", default="KRW")

    def handle(self, *, merchant: str, mode: str, order: str, amount: int, currency: str, **options: Any) -> None:
        exponent = exponent_of(currency)
        if exponent is None:
            raise CommandError(f"--currency: {currency!r} is no ISO 4217 code; write three letters such as KRW")
        if not 0 < amount <= MAX_MINOR:
            raise CommandError("--amount: give a positive whole number of minor units")
        if not 0 < len(order) <= MERCHANT_UID_LENGTH or UNPRINTABLE.search(order):
            raise CommandError(f"--order: give 1 to {MERCHANT_UID_LENGTH} printable characters")
        route = read_merchant(merchant, mode)
        money = Money(amount, currency, exponent)
        try:
            with inside(route.schema):
                register_order(route, merchant_uid=order, money=money, at=datetime.now(UTC))
        except PriceIsSettled as error:
            raise CommandError(f"--amount: {error}") from error
        self.stdout.write(f"{order}: {written(money)} expected")
