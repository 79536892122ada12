"""How the commands are told which merchant and mode they are about."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from django.core.management.base import CommandError

from results.core.ids import decode, encode
from results.portone import KEY, TIER
from tenants.fields import Mode
from tenants.models import Merchant
from tenants.routing import Route, find_mode

SHARED: Final = (
    "The PortOne account of these keys is held by another merchant here too: {}. Its payments are now confirmed for"
    " registered orders only. The owners of each have been told."
)


def add_merchant_options(parser: ArgumentParser) -> None:
    parser.add_argument("--merchant", required=True, help="mer_…, as create_merchant printed it")
    parser.add_argument("--mode", required=True, choices=Mode.values)


def add_portone_options(parser: ArgumentParser) -> None:
    parser.add_argument("--imp-key", required=True, help="PortOne REST API key")
    parser.add_argument("--imp-secret", required=True, help="PortOne REST API secret")
    parser.add_argument("--tier", default="", help="PortOne sub-store code, three characters")


def check_portone_options(options: dict[str, Any]) -> None:
    for option in ("imp_key", "imp_secret"):
        if not KEY.fullmatch(options[option]):
            raise CommandError(f"--{option.replace('_', '-')}: copy it from PortOne's console, without spaces")
    if options["tier"] and not TIER.fullmatch(options["tier"]):
        raise CommandError("--tier: three characters A-Z and 0-9, as PortOne's console shows it")


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
