"""Make a merchant that can be paid and told: schema, keys, PortOne credentials and an endpoint, in one call."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email

from results.core.ids import encode
from results.core.return_url import BadReturnUrl, normalise_return_url
from results.endpoints import BadCallbackUrl, create_endpoint, normalise_callback_url
from results.portone import seal_credential
from tenants.fields import Mode, new_id
from tenants.models import Credential, Merchant, RouteKey
from tenants.models.merchant import Policy
from tenants.onboarding import issue_keys, provision, register_merchant, set_policy
from tenants.routing import find_mode, inside

ACTOR = "manage.py create_merchant"


class Command(BaseCommand):
    help = "Make a merchant with one mode set up; prints its URLs and keys once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="shown to customers on the result page")
        parser.add_argument("--owner-email", required=True)
        parser.add_argument("--mode", required=True, choices=Mode.values)
        parser.add_argument("--imp-key", required=True, help="PortOne REST API key")
        parser.add_argument("--imp-secret", required=True, help="PortOne REST API secret")
        parser.add_argument("--tier", default="", help="PortOne sub-store code, three characters")
        parser.add_argument("--callback-url", required=True, help="where signed results are sent")
        parser.add_argument("--return-url", action="append", default=[], help="where customers go back to")
        parser.add_argument("--origin", action="append", default=[], help="origin of the shop's pages")
        parser.add_argument("--policy", choices=Policy.values, default=Policy.OPEN)
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
        facts = set_up_mode(merchant, options["mode"], options | checked, at=at)
        self.stdout.write(as_line(facts) if json else as_table(facts))


def check_options(options: dict[str, Any]) -> dict[str, Any]:
    """Refuse what cannot work before anything is made; each message names the option and the mend."""
    try:
        validate_email(options["owner_email"])
        callback_url = normalise_callback_url(options["callback_url"])
        return_urls = [normalise_return_url(url, allow_http=settings.DEVELOPMENT) for url in options["return_url"]]
    except ValidationError as error:
        raise CommandError(f"--owner-email: {' '.join(error.messages)}") from error
    except BadCallbackUrl as error:
        raise CommandError(f"--callback-url: {error}") from error
    except BadReturnUrl as error:
        raise CommandError(f"--return-url: {error}") from error
    if not options["name"].strip() or len(options["name"]) > 80:
        raise CommandError("--name: give 1 to 80 characters")
    if options["tier"] and (len(options["tier"]) != 3 or not options["tier"].isalnum()):
        raise CommandError("--tier: three characters A-Z and 0-9, as PortOne's console shows it")
    return {"callback_url": callback_url, "return_urls": return_urls, "origins": options["origin"]}


def set_up_mode(merchant: Merchant, mode: str, options: dict[str, Any], *, at: datetime) -> dict[str, str]:
    """Give a mode its policy, PortOne keys, endpoint and own keys; return what is printed once."""
    set_policy(
        merchant,
        mode,
        policy=options["policy"],
        return_urls=options["return_urls"],
        origins=options["origins"],
    )
    route = find_mode(merchant.id, mode)
    assert route is not None  # just provisioned
    credential = Credential(id=new_id(), merchant=merchant, mode=mode, tier=options["tier"], created_at=at)
    keys = {"imp_key": options["imp_key"], "imp_secret": options["imp_secret"]}
    seal_credential(credential, route.open_vault(), **keys)
    credential.save()
    with inside(merchant.schema_name):
        _, secret = create_endpoint(route, url=options["callback_url"], at=at)
    issued = issue_keys(merchant, mode, actor=ACTOR, at=at)
    return addresses(merchant, mode) | {
        "api_key": issued.api_key,
        "signing_secret": secret.to_text(),
        "return_key": issued.return_key,
        "order_key": issued.order_key,
    }


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
