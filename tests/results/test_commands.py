"""The commands that scripts drive: what they print, what they refuse, and what is there afterwards."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from results.core.ids import decode, encode
from results.deliver import open_secrets
from results.models import Endpoint, Order
from results.portone import open_access
from tenants.models import ApiKey, Credential, Duty, Membership, Merchant, MerchantMode
from tenants.models.keys import digest_of
from tenants.routing import Route, find_mode, find_route, inside
from tests.factories import Cast
from tests.tenants.conftest import newcomers_leave

ROOT = Path(__file__).resolve().parent.parent.parent
PROMISED = [
    "merchant",
    "mode",
    "browser_key",
    "webhook_key",
    "redirect_url",
    "webhook_url",
    "confirm_url",
    "api_key",
    "signing_secret",
    "return_key",
    "order_key",
]
TAILOR = {
    "--name": "tailor",
    "--owner-email": "owner@tailor.example",
    "--mode": "test",
    "--imp-key": "imp-key-of-tests",
    "--imp-secret": "imp-secret-of-tests",
    "--callback-url": "http://127.0.0.1:8200/callback",
}
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def newcomers(database: Any) -> Iterator[None]:
    """Let the merchants that a command makes leave again."""
    with newcomers_leave():
        yield


def arguments(**changes: str) -> list[str]:
    """Return what makes a tailor, with options changed: `imp_key="..."` is --imp-key."""
    options = TAILOR | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    return [f"{name}={value}" for name, value in options.items()]


def create(*more: str, **changes: str) -> dict[str, str]:
    out = StringIO()
    call_command("create_merchant", *arguments(**changes), *more, "--json", stdout=out)
    return dict(json.loads(out.getvalue()))


def route_of(made: dict[str, str]) -> Route:
    merchant_id = decode(made["merchant"], prefix="mer")
    assert merchant_id is not None
    route = find_mode(merchant_id, made["mode"])
    assert route is not None
    return route


def database_url() -> str:
    """Return where this test's own database is."""
    place = connection.get_connection_params()
    host, user = quote(str(place.get("host", "")), safe=""), quote(str(place.get("user", "")), safe="")
    return f"postgresql://{user}@/{place['dbname']}?host={host}&port={place.get('port', 5432)}"


def manage(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run manage.py as a script would, on this test's database."""
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database_url()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# create_merchant


def test_create_merchant_prints_one_line_of_json(newcomers: None) -> None:
    """Standard output holds one line of JSON with the promised keys, in their order, and nothing else."""
    done = manage("create_merchant", *arguments(), "--json")

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert list(json.loads(done.stdout)) == PROMISED


def test_a_korean_name_stays_readable(newcomers: None) -> None:
    """A merchant's name may be in any script, and reaches the page as it was given."""
    assert route_of(create(name="빵집 🥐")).name == "빵집 🥐"


@pytest.mark.parametrize(("mode", "other"), [("live", "test"), ("test", "live")])
def test_what_is_printed_works(newcomers: None, mode: str, other: str) -> None:
    """In either mode the printed keys are the ones that open, sign and lead to the new merchant."""
    made = create(mode=mode)

    route = route_of(made)
    assert made["mode"] == route.mode == mode
    for kind in ("browser", "webhook"):
        found = find_route(made[f"{kind}_key"], kind=kind, at=NOW)
        assert found is not None
        assert (found.merchant_id, found.mode) == (route.merchant_id, mode)
    api_key = ApiKey.objects.get(merchant=route.merchant_id)
    assert (api_key.mode, bytes(api_key.digest)) == (mode, digest_of(made["api_key"]))
    assert not ApiKey.objects.filter(merchant=route.merchant_id, mode=other).exists()


def test_the_printed_signing_secret_signs(newcomers: None) -> None:
    """The endpoint's sealed secret is the one that was printed."""
    made = create()

    route = route_of(made)
    with inside(route.schema):
        endpoint = Endpoint.objects.get()
        opened = open_secrets(route, {endpoint.id}, at=NOW)
    assert endpoint.url == TAILOR["--callback-url"]
    assert [secret.to_text() for secret in opened[endpoint.id]] == [made["signing_secret"]]


def test_addresses_begin_with_the_public_url(newcomers: None, settings: Any) -> None:
    """The addresses for PortOne's console and for the shop's page are whole, and hold their own key each."""
    settings.PUBLIC_URL = "https://pay.example.com"

    made = create()

    assert made["redirect_url"] == f"https://pay.example.com/m/{made['browser_key']}/complete"
    assert made["webhook_url"] == f"https://pay.example.com/webhook/{made['webhook_key']}"
    assert made["confirm_url"] == f"https://pay.example.com/m/{made['browser_key']}/confirm"


def test_portones_keys_are_kept_sealed(newcomers: None) -> None:
    """PortOne's keys are kept for this mode alone, cannot be read in the row and open for results/portone."""
    made = create("--tier=A1B")

    route = route_of(made)
    credential = Credential.objects.get(merchant=route.merchant_id)
    access = open_access(credential, route.open_vault())
    assert (access.imp_key, access.imp_secret, access.tier) == ("imp-key-of-tests", "imp-secret-of-tests", "A1B")
    assert b"of-tests" not in bytes(credential.imp_key) + bytes(credential.imp_secret)


@pytest.mark.parametrize("policy", ["open", "strict"])
def test_the_policy_is_of_this_mode(newcomers: None, policy: str) -> None:
    """`--policy` decides for the mode that is set up, and the other stays open."""
    made = create(policy=policy)

    modes = MerchantMode.objects.filter(merchant=route_of(made).merchant_id)
    assert dict(modes.values_list("mode", "policy")) == {"test": policy, "live": "open"}
    assert route_of(made).strict == (policy == "strict")


@pytest.mark.parametrize(
    ("policy", "confirm", "is_closed"),
    [
        ("open", None, False),
        ("strict", None, True),
        ("strict", "open", False),
        ("open", "closed", True),
    ],
)
def test_the_confirm_policy_follows_the_policy_unless_said(
    newcomers: None, policy: str, confirm: str | None, is_closed: bool
) -> None:
    """`--confirm` decides alone; without it a strict merchant refuses what it does not know."""
    made = create(policy=policy, **({"confirm": confirm} if confirm else {}))

    assert route_of(made).confirm_closed is is_closed


@pytest.mark.parametrize("switches", [[], ["--prepare"], ["--read-prepared"], ["--prepare", "--read-prepared"]])
def test_announcing_is_switched_on_by_name(newcomers: None, switches: list[str]) -> None:
    """`--prepare` announces amounts to PortOne, `--read-prepared` reads the shop's own; neither by itself."""
    route = route_of(create(*switches, mode="live"))

    assert (route.prepares, route.reads_prepared) == ("--prepare" in switches, "--read-prepared" in switches)


@pytest.mark.parametrize("switch", ["--prepare", "--read-prepared"])
def test_announcing_is_for_live_mode_only(newcomers: None, switch: str) -> None:
    """PortOne keeps announced amounts by account: a test order would block the live one of its number."""
    with pytest.raises(CommandError, match=f"{switch}: works in live mode only"):
        create(switch, mode="test")

    assert not Merchant.objects.filter(name="tailor").exists()


def test_return_urls_and_origins_are_kept_in_normal_form(newcomers: None) -> None:
    """Several of each may be given; what is kept is their one spelling."""
    made = create(
        "--return-url=HTTPS://Shop.Example.com:443/done",
        "--return-url=https://shop.example.com",
        "--origin=https://Shop.example.com:443",
        "--origin=https://m.shop.example.com/",
    )

    chosen = MerchantMode.objects.get(merchant=route_of(made).merchant_id, mode="test")
    assert chosen.return_urls == ["https://shop.example.com/done", "https://shop.example.com/"]
    assert chosen.origins == ["https://shop.example.com", "https://m.shop.example.com"]


def test_the_first_sweep_is_due_at_once(newcomers: None) -> None:
    """A new mode is swept as soon as it has keys."""
    made = create()

    [owed] = Duty.objects.all()
    assert (owed.kind, owed.mode, owed.reference) == ("sweep", "test", route_of(made).lane)
    assert owed.due_at <= datetime.now(UTC)


def test_the_owner_is_a_member(newcomers: None) -> None:
    """The address that was given owns the merchant."""
    made = create()

    membership = Membership.objects.select_related("user").get(merchant=route_of(made).merchant_id)
    assert (membership.user.email, membership.role) == ("owner@tailor.example", "owner")


def test_without_json_a_person_can_read_it(newcomers: None) -> None:
    """Without `--json` the same facts stand one below the other, with a word about keeping the keys."""
    out = StringIO()
    call_command("create_merchant", *arguments(), stdout=out)

    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines[: len(PROMISED)]] == PROMISED
    assert "shown this once" in lines[-1]


@pytest.mark.parametrize(
    ("option", "value", "mend"),
    [
        ("name", " ", "give 1 to 80 characters"),
        ("name", "x" * 81, "give 1 to 80 characters"),
        ("owner_email", "nobody", "give an address like"),
        ("owner_email", "x" * 64 + "@" + "y." * 110 + "example", "at most 254 characters"),
        ("mode", "both", "choose from"),
        ("policy", "lenient", "choose from"),
        ("language", "de", "choose from"),
        ("imp_key", "", "copy it from PortOne's console"),
        ("imp_secret", "with space", "copy it from PortOne's console"),
        ("tier", "AB", "three characters A-Z and 0-9"),
        ("tier", "가나다", "three characters A-Z and 0-9"),
        ("callback_url", "shop.example.com", "https://"),
        ("callback_url", "https://10.0.0.1/callback", "Use a public address"),
        ("return_url", "shop.example.com/done", "beginning with https://"),
        ("return_url", "https://shop.example.com/done?x=1", "no query"),
        ("origin", "shop.example.com", "beginning with https://"),
        ("origin", "https://shop.example.com/path", "ends with its host or port"),
    ],
)
def test_a_bad_option_is_refused_by_name(database: Any, option: str, value: str, mend: str) -> None:
    """What cannot work is refused with the option's name and the mend, and nothing is made."""
    before = (Merchant.objects.count(), ApiKey.objects.count(), Credential.objects.count())

    with pytest.raises(CommandError) as refusal:
        create(**{option: value})

    assert f"--{option.replace('_', '-')}" in str(refusal.value)
    assert mend in str(refusal.value)
    assert (Merchant.objects.count(), ApiKey.objects.count(), Credential.objects.count()) == before


def test_a_refusal_repeats_no_secret(database: Any) -> None:
    """A secret that cannot be one is refused without being repeated."""
    with pytest.raises(CommandError) as refusal:
        create(imp_secret="imp secret of tests")

    assert "imp secret of tests" not in str(refusal.value)


@pytest.mark.parametrize("option", ["name", "owner-email", "mode", "imp-key", "imp-secret", "callback-url"])
def test_what_a_merchant_needs_is_asked_for(database: Any, option: str) -> None:
    """Without one of the needed options the command names it and makes nothing."""
    before = Merchant.objects.count()
    given = [argument for argument in arguments() if not argument.startswith(f"--{option}=")]

    with pytest.raises(CommandError, match=f"--{option}"):
        call_command("create_merchant", *given, "--json", stdout=StringIO())

    assert Merchant.objects.count() == before


# register_order


def register(merchant: str, *more: str, order: str = "order-1", amount: str = "64900") -> str:
    out = StringIO()
    options = (f"--merchant={merchant}", f"--order={order}", f"--amount={amount}", *more)
    call_command("register_order", *options, stdout=out)
    return out.getvalue()


def test_a_registered_order_is_expected(bakery: Cast, florist: Cast) -> None:
    """What the merchant expects is written down for this merchant and mode alone."""
    said = register(encode("mer", bakery.merchant.id), "--mode=live")

    order = bakery.order("order-1")
    assert said == "order-1: ₩64,900 expected\n"
    assert (order.mode, order.expected_amount, order.expected_currency) == ("live", 64900, "KRW")
    assert order.expected_exponent == 0
    assert order.registered_at is not None
    assert florist.rows(Order) == []


def test_amounts_are_minor_units(bakery: Cast) -> None:
    """Of a currency with decimals, the smallest unit is counted."""
    said = register(encode("mer", bakery.merchant.id), "--mode=live", "--currency=USD", amount="1420")

    order = bakery.order("order-1")
    assert said == "order-1: $14.20 expected\n"
    assert (order.expected_amount, order.expected_exponent) == (1420, 2)


def test_registering_again_corrects_the_amount(bakery: Cast) -> None:
    """The newest word counts, and there is one order still."""
    merchant = encode("mer", bakery.merchant.id)
    register(merchant, "--mode=live")

    register(merchant, "--mode=live", amount="59000")

    assert [order.expected_amount for order in bakery.rows(Order)] == [59000]


@pytest.mark.parametrize(
    ("option", "mend"),
    [
        ("--amount=0", "positive whole number"),
        ("--amount=-5", "positive whole number"),
        ("--amount=9223372036854775808", "positive whole number"),
        ("--amount=649.00", "invalid int"),
        ("--currency=WON", "three letters such as KRW"),
        ("--currency=krw", "three letters such as KRW"),
        ("--order=", "1 to 40 printable characters"),
        ("--order=" + "x" * 41, "1 to 40 printable characters"),
        ("--order=a\nb", "1 to 40 printable characters"),
        ("--mode=both", "choose from"),
        ("--merchant=bakery", "begins with mer_"),
        ("--merchant=pay_00000000000000000000000000", "begins with mer_"),
        ("--merchant=mer_00000000000000000000000000", "no such merchant"),
    ],
)
def test_a_bad_order_is_refused_by_name(bakery: Cast, option: str, mend: str) -> None:
    """What cannot be expected is refused with the option's name and the mend, and nothing is written."""
    merchant = encode("mer", bakery.merchant.id)

    with pytest.raises(CommandError) as refusal:
        register(merchant, "--mode=live", option)

    assert option.partition("=")[0] in str(refusal.value)
    assert mend in str(refusal.value)
    assert bakery.rows(Order) == []
