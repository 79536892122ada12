"""Make a merchant that can be paid and told: schema, keys, PortOne credentials and an endpoint, in one call."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email

from results.connect import connect_account
from results.core.ids import encode
from results.core.return_url import BadReturnUrl, normalise_return_url
from results.endpoints import BadCallbackUrl, create_endpoint, normalise_callback_url
from results.management.merchant_options import SHARED, add_portone_options, check_portone_options
from results.reconcile import ensure_sweeps
from tenants.fields import Mode
from tenants.models import Merchant, RouteKey
from tenants.models.merchant import ConfirmPolicy, Policy
from tenants.onboarding import issue_keys, provision, register_merchant, set_policy
from tenants.routing import find_mode, inside

ACTOR = "manage.py create_merchant"
EMAIL_LENGTH: Final = 254  # what a mail server has to accept, and what our column holds


class Command(BaseCommand):
    help = "Make a merchant with one mode set up; prints its URLs and keys once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="shown to customers on the result page")
        parser.add_argument("--owner-email", required=True)
        parser.add_argument("--mode", required=True, choices=Mode.values)
        add_portone_options(parser)
        parser.add_argument("--callback-url", required=True, help="where signed results are sent")
        parser.add_argument("--return-url", action="append", default=[], help="where customers go back to")
        parser.add_argument("--origin", action="append", default=[], help="origin of the shop's pages")
        parser.add_argument("--policy", choices=Policy.values, default=Policy.OPEN)
        parser.add_argument(
            "--confirm",
            choices=ConfirmPolicy.values,
            help="what PortOne's confirm process hears of an unknown order, and while the database is away:"
            " open approves, closed refuses (default: closed with --policy strict, else open)",
        )
        parser.add_argument(
            "--prepare", action="store_true", help="announce registered amounts to PortOne; live mode only"
        )
        parser.add_argument(
            "--read-prepared",
            action="store_true",
            help="read back what the shop itself announced to PortOne; live mode only",
        )
        parser.add_argument("--language", choices=("ko", "en"), default="", help="of the result page")
        parser.add_argument("--json", action="store_true", help="one line of JSON on standard output")

    def handle(self, *, json: bool, **options: Any) -> None:
        at = datetime.now(UTC)
        checked = check_options(options)
        merchant = register_merchant(
            name=options["name"],
            owner_email=options["owner_email"],
            language=options["language"],
            actor=ACTOR,
            at=at,
        )
        provision(merchant, at=at)
        facts, others = set_up_mode(merchant, options["mode"], options | checked, at=at)
        self.stdout.write(as_line(facts) if json else as_table(facts))
        if others:
            self.stderr.write(SHARED.format(", ".join(encode("mer", other) for other in others)))


def check_options(options: dict[str, Any]) -> dict[str, Any]:
    """Refuse what cannot work before anything is made; each message names the option and the mend."""
    check_texts(options)
    check_switches(options)
    [callback_url] = read_each("--callback-url", [options["callback_url"]], normalise_callback_url)
    return {
        "callback_url": callback_url,
        "return_urls": read_each("--return-url", options["return_url"], read_return_url),
        "origins": read_each("--origin", options["origin"], read_origin),
    }


def check_switches(options: dict[str, Any]) -> None:
    """PortOne keeps announced amounts by account, so those of a test order would block the live one."""
    for option in ("prepare", "read_prepared"):
        if options[option] and options["mode"] != Mode.LIVE:
            raise CommandError(
                f"--{option.replace('_', '-')}: works in live mode only; leave it out or use --mode live"
            )


def check_texts(options: dict[str, Any]) -> None:
    try:
        validate_email(options["owner_email"])
    except ValidationError as error:
        raise CommandError("--owner-email: give an address like owner@shop.example.com") from error
    if len(options["owner_email"]) > EMAIL_LENGTH:
        raise CommandError(f"--owner-email: give an address of at most {EMAIL_LENGTH} characters")
    if not options["name"].strip() or len(options["name"]) > 80:
        raise CommandError("--name: give 1 to 80 characters")
    check_portone_options(options)


def read_each(option: str, texts: list[str], read: Callable[[str], str]) -> list[str]:
    """Return what an option's values are in normal form; CommandError names the option and the mend."""
    try:
        return [read(text) for text in texts]
    except (BadCallbackUrl, BadReturnUrl) as error:
        raise CommandError(f"{option}: {error}") from error


def read_return_url(text: str) -> str:
    return normalise_return_url(text, allow_http=settings.DEVELOPMENT)


def read_origin(text: str) -> str:
    """Return scheme, host and port as a browser's Origin header writes them."""
    url = read_return_url(text)
    if urlsplit(url).path != "/":
        raise BadReturnUrl("An origin ends with its host or port, like https://shop.example.com.")
    return url.removesuffix("/")


def set_up_mode(
    merchant: Merchant, mode: str, options: dict[str, Any], *, at: datetime
) -> tuple[dict[str, str], list[UUID]]:
    """Give a mode its policy, PortOne keys, endpoint and own keys.

    Returns what is printed once, and which other merchants hold the same PortOne account.
    """
    set_policy(
        merchant,
        mode,
        policy=options["policy"],
        confirm_policy=options["confirm"],
        prepares=options["prepare"],
        reads_prepared=options["read_prepared"],
        return_urls=options["return_urls"],
        origins=options["origins"],
    )
    route = find_mode(merchant.id, mode)
    assert route is not None  # just provisioned
    portone_keys = {name: options[name] for name in ("imp_key", "imp_secret", "tier")}
    others = connect_account(route, **portone_keys, actor=ACTOR, at=at)
    with inside(merchant.schema_name):
        _, secret = create_endpoint(route, url=options["callback_url"], actor=ACTOR, at=at)
    issued = issue_keys(merchant, mode, actor=ACTOR, at=at)
    ensure_sweeps()
    issued_once = {
        "api_key": issued.api_key,
        "signing_secret": secret.to_text(),
        "return_key": issued.return_key,
        "order_key": issued.order_key,
    }
    return addresses(merchant, mode) | issued_once, others


def addresses(merchant: Merchant, mode: str) -> dict[str, str]:
    """Return the merchant's own URLs: what is pasted into PortOne's console and the shop's pages."""
    current = RouteKey.objects.filter(merchant=merchant, mode=mode, works_until=None)
    keys = dict(current.values_list("kind", "key"))
    base = settings.PUBLIC_URL
    return {
        "merchant": encode("mer", merchant.id),
        "mode": mode,
        "browser_key": keys["browser"],
        "webhook_key": keys["webhook"],
        "redirect_url": f"{base}/m/{keys['browser']}/complete",
        "webhook_url": f"{base}/webhook/{keys['webhook']}",
        "confirm_url": f"{base}/m/{keys['browser']}/confirm",
    }


def as_line(facts: dict[str, str]) -> str:
    return json.dumps(facts, ensure_ascii=False)


def as_table(facts: dict[str, str]) -> str:
    lines = [f"{name:<15} {value}" for name, value in facts.items()]
    return "\n".join([*lines, "", "The four keys are shown this once; keep them in the shop's secret store."])
