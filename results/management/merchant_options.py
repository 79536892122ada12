"""How the commands are told which merchant and mode they are about."""

from argparse import ArgumentParser

from django.core.management.base import CommandError

from results.core.ids import decode
from tenants.fields import Mode
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
