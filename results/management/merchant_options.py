"""How the commands are told which merchant and mode they are about."""

from argparse import ArgumentParser
from collections.abc import Iterator
from uuid import UUID

from django.core.management.base import CommandError

from results.core.ids import decode, encode
from tenants.fields import Mode
from tenants.models import Merchant
from tenants.routing import Route, find_mode


def add_merchant_options(parser: ArgumentParser) -> None:
    parser.add_argument("--merchant", required=True, help="mer_…, as create_merchant printed it")
    parser.add_argument("--mode", required=True, choices=Mode.values)


def read_merchant(merchant: str, mode: str) -> Route:
    """Return the merchant and mode; CommandError names the option and the mend."""
    merchant_id = decode(merchant, prefix="mer")
    if merchant_id is None:
        raise CommandError("--merchant: give the id that begins with mer_, as create_merchant printed it")
    route = find_mode(merchant_id, mode)
    if route is None:
        raise CommandError("--merchant: no such merchant, or its schema is not ready yet")
    return route


def add_search_options(parser: ArgumentParser) -> None:
    parser.add_argument("--merchant", help="mer_…; without it every merchant is looked through")
    parser.add_argument("--mode", choices=Mode.values, help="may be left out when one mode only knows the id")


def read_search(merchant: str | None, mode: str | None) -> Iterator[Route]:
    """Yield every merchant and mode that is meant, oldest merchant first."""
    merchants = [merchant] if merchant else [encode("mer", id_) for id_ in open_merchants()]
    for name in merchants:
        for each in [mode] if mode else Mode.values:
            yield read_merchant(name, each)


def open_merchants() -> list[UUID]:
    return list(Merchant.objects.ready().filter(closed_at=None).order_by("id").values_list("id", flat=True))
