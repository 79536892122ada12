"""manage.py doctor: one line for each thing that must hold, and for what does not how it is mended."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from deploy.demo.simulator import Simulator
from tenants.management.commands.doctor import (
    Finding,
    check_clock,
    check_mail,
    check_merchants,
    check_portone,
    check_proxy,
    check_public_url,
    check_queue,
    check_staff,
    judge_server,
)
from tenants.models import Duty, Merchant, User
from tenants.onboarding import provision
from tests.postbox import Postbox
from tests.tenants.conftest import NOON, Register

Cast = dict[str, Merchant]
Ring = Callable[..., None]


def doctor() -> dict[str, str]:
    """Run the command; its lines, by what each is about. Ends with whether it failed under `exit`."""
    out = StringIO()
    try:
        call_command("doctor", stdout=out)
        ended = "ok"
    except CommandError as error:
        ended = str(error)
    lines = {line[7:18].strip(): line for line in out.getvalue().splitlines()}
    return lines | {"exit": ended}


def wrong(lines: dict[str, str]) -> set[str]:
    return {about for about, line in lines.items() if line.startswith("wrong")}


@pytest.fixture
def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def lost_database(database: Cast, closed_port: int) -> Iterator[None]:
    """A database that nobody reaches any more."""
    place = {name: connection.settings_dict[name] for name in ("HOST", "PORT")}
    connection.close()
    connection.settings_dict |= {"HOST": "127.0.0.1", "PORT": str(closed_port)}
    yield
    connection.close()
    connection.settings_dict |= place


# All is well


def test_a_healthy_installation_is_told_line_by_line(database: Cast, portone: Simulator) -> None:
    """Everything is looked at, each line says ok, and the command ends without an error."""
    lines = doctor()

    assert list(lines) == [
        "settings",
        "database",
        "migrations",
        "schemas",
        "keys",
        "queue",
        "clock",
        "merchants",
        "failures",
        "staff",
        "portone",
        "mail",
        "public url",
        "proxy",
        "exit",
    ]
    assert wrong(lines) == set()
    assert lines["exit"] == "ok"


def test_lines_are_aligned() -> None:
    """Verdict, subject and words stand in columns, and what is wrong ends with its mend."""
    assert [str(Finding("keys", "all open")), str(Finding("public url", "leads nowhere", "set it"))] == [
        "ok     keys         all open",
        "wrong  public url   leads nowhere. Mend: set it.",
    ]


# The database


def test_a_lost_database_is_told_with_the_rest(lost_database: None, portone: Simulator) -> None:
    """Without a database its own line says so, and what needs none is looked at all the same."""
    lines = doctor()

    assert wrong(lines) == {"database"}
    assert "Mend: check DATABASE_URL" in lines["database"]
    assert {"settings", "portone", "public url"} <= lines.keys()
    assert lines["exit"] == "1 of the lines above is wrong."


def test_no_password_is_told(lost_database: None, portone: Simulator) -> None:
    """The line about a lost database names its address, and no password."""
    kept = connection.settings_dict["PASSWORD"]
    connection.settings_dict["PASSWORD"] = "not-a-secret"
    try:
        lines = doctor()
    finally:
        connection.settings_dict["PASSWORD"] = kept

    assert "not-a-secret" not in "".join(lines.values())


@pytest.mark.parametrize(("number", "is_wrong"), [(140011, True), (150000, False), (180004, False)])
def test_a_server_is_version_15_or_later(number: int, is_wrong: bool) -> None:
    """A server older than PostgreSQL 15 is to be upgraded."""
    assert bool(judge_server(number).mend) == is_wrong


def test_a_missing_public_migration_is_found(database: Cast, portone: Simulator) -> None:
    """When the public schema lacks a migration, the line names the command that mends it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM public.django_migrations WHERE id ="
            " (SELECT max(id) FROM public.django_migrations WHERE app = 'tenants') RETURNING app, name, applied"
        )
        row = cursor.fetchone()
    try:
        lines = doctor()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO public.django_migrations (app, name, applied) VALUES (%s, %s, %s)", row)

    assert wrong(lines) == {"migrations"}
    assert "Mend: manage.py migrate." in lines["migrations"]


def test_a_merchants_schema_that_is_behind_is_found(register: Register, portone: Simulator) -> None:
    """A schema that lacks a migration is named, with the command that mends it."""
    newcomer = provision(register(), at=NOON)
    call_command("migrate_schemas", "results", "zero", schema_name=newcomer.schema_name, interactive=False, verbosity=0)

    lines = doctor()

    assert wrong(lines) == {"schemas"}
    assert newcomer.schema_name in lines["schemas"]
    assert "Mend: manage.py migrate." in lines["schemas"]


def test_a_merchants_schema_that_is_gone_is_found(register: Register, portone: Simulator) -> None:
    """A ready merchant without its schema, as after half a restore, is named and comes from a backup."""
    newcomer = provision(register(), at=NOON)
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(newcomer.schema_name)))

    lines = doctor()

    assert wrong(lines) == {"schemas"}
    assert newcomer.schema_name in lines["schemas"]
    assert "backup" in lines["schemas"]


# Keys, queue, clock, merchants


def test_a_ring_that_lacks_a_key_is_found(sealed: Cast, ring: Ring, portone: Simulator) -> None:
    """When data keys do not open, the line counts them and names the missing key, and shows none."""
    ring("other")

    lines = doctor()

    assert wrong(lines) == {"keys"}
    assert "SEALING_KEYS lacks the key 'dev'" in lines["keys"]
    assert "Mend: put the missing key into SEALING_KEYS again" in lines["keys"]


def test_a_ring_that_cannot_be_read_is_told(sealed: Cast, settings: Any, portone: Simulator) -> None:
    """A ring with a fault is a wrong setting and opens nothing; the line does not repeat it."""
    settings.SEALING_KEYS = "dev:not-a-secret"

    lines = doctor()

    assert wrong(lines) == {"settings", "keys"}
    assert "not-a-secret" not in "".join(lines.values())


def test_a_duty_that_waits_too_long_is_found(database: Cast) -> None:
    """A queue that is minutes late asks for a worker; one that is seconds late does not."""
    Duty.objects.create(
        kind="verify",
        merchant=database["bakery"].id,
        mode="live",
        lane=database["bakery"].id,
        reference=database["bakery"].id,
        due_at=NOON,
    )

    assert not check_queue(at=NOON + timedelta(seconds=30)).mend
    assert "manage.py worker" in check_queue(at=NOON + timedelta(minutes=5)).mend


@pytest.mark.parametrize(("seconds", "is_wrong"), [(0, False), (1.5, False), (-3, True), (3, True)])
def test_a_clock_that_is_off_is_found(database: Cast, seconds: float, is_wrong: bool) -> None:
    """A clock two seconds or more before or behind the database's is to be set."""
    finding = check_clock(now=lambda: datetime.now(UTC) + timedelta(seconds=seconds))

    assert bool(finding.mend) == is_wrong


def test_a_merchant_that_is_stuck_is_found(register: Register) -> None:
    """A newcomer may take two minutes; after that it is named."""
    newcomer = register()

    assert not check_merchants(at=NOON + timedelta(minutes=1)).mend
    stuck = check_merchants(at=NOON + timedelta(minutes=3))
    assert f"{newcomer.id} pending" in stuck.says
    assert "worker" in stuck.mend


def test_a_merchant_whose_making_failed_is_found_at_once(register: Register) -> None:
    """A fault is told with its words, without waiting."""
    newcomer = register()
    Merchant.objects.filter(id=newcomer.id).update(state="failed", fault="DiskFull: no space left")

    finding = check_merchants(at=NOON)

    assert "failed (DiskFull: no space left)" in finding.says
    assert finding.mend


# The world around


def test_portone_is_within_reach_when_it_listens(portone: Simulator, settings: Any) -> None:
    """A connection is enough; PortOne is asked nothing."""
    finding = check_portone(settings.PORTONE_V1_URL)

    assert not finding.mend
    assert portone.journal.counts() == {}


def test_portone_out_of_reach_is_found(closed_port: int) -> None:
    """When nothing answers there, the line names host and port and where to look."""
    finding = check_portone(f"https://127.0.0.1:{closed_port}")

    assert f"127.0.0.1:{closed_port} is out of reach" in finding.says
    assert "firewall" in finding.mend


def test_portone_without_its_certificate_is_found(portone: Simulator, settings: Any) -> None:
    """Where https is asked for, somebody who cannot prove to be PortOne is not within reach."""
    finding = check_portone(settings.PORTONE_V1_URL.replace("http://", "https://"))

    assert "certificates" in finding.mend


@pytest.mark.parametrize(
    ("url", "is_wrong"),
    [
        ("https://pay.shop.co.kr", False),
        ("https://93.184.216.34", False),
        ("https://127.0.0.1:8000", True),
        ("https://10.0.0.5", True),
        ("https://[::1]", True),
        ("https://localhost", True),
        ("https://paywitness", True),
        ("https://pay.internal", True),
        ("https://pay.example", True),
    ],
)
def test_a_public_url_leads_here_from_outside(url: str, is_wrong: bool) -> None:
    """In production PortOne and customers must be able to come to PUBLIC_URL; in development nobody has to."""
    assert bool(check_public_url(url, development=False).mend) == is_wrong
    assert not check_public_url(url, development=True).mend


def test_a_mail_server_is_greeted(postbox: Postbox) -> None:
    """A server that answers takes letters; none is sent to see that."""
    finding = check_mail(development=False)

    assert not finding.mend
    assert f"127.0.0.1:{postbox.port} takes letters" in finding.says
    assert postbox.letters == []


def test_a_mail_server_out_of_reach_is_found(postbox: Postbox, settings: Any, closed_port: int) -> None:
    """When nobody takes letters, the line names the server and the setting, and no password."""
    settings.EMAIL_PORT, settings.EMAIL_HOST_PASSWORD = closed_port, "not-a-secret"

    finding = check_mail(development=False)

    assert f"127.0.0.1:{closed_port} takes none" in finding.says
    assert "EMAIL_URL" in finding.mend
    assert "not-a-secret" not in str(finding)


def test_letters_that_are_only_printed_are_found(settings: Any) -> None:
    """In production somebody must get the letters, or nobody could sign up; in development they may be printed."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

    assert "set EMAIL_URL" in check_mail(development=False).mend
    assert not check_mail(development=True).mend


def test_staff_without_a_second_factor_is_found(leavers: None) -> None:
    """Whoever may open /staff/ turns a second factor on, or is staff no more."""
    nobody = check_staff()
    chief = User.objects.create_superuser("chief@desk.example")
    alone = check_staff()
    TOTP.activate(chief, generate_totp_secret())

    assert not nobody.mend
    assert "1 (chief@desk.example) of 1 without" in alone.says
    assert "--remove" in alone.mend
    assert check_staff() == Finding("staff", "1, each with a second factor")


def test_settings_that_production_refuses_have_a_line_each(database: Cast, settings: Any, portone: Simulator) -> None:
    """Each setting that would stop web and workers is told with its own mend."""
    settings.DEVELOPMENT, settings.EMBEDDED_DATABASE, settings.GENERATED_SEALING_KEYS = False, False, True
    out = StringIO()

    with pytest.raises(CommandError):
        call_command("doctor", stdout=out)

    lines = [line for line in out.getvalue().splitlines() if line.startswith("wrong  settings")]
    assert any("SEALING_KEYS is missing. Mend: id:base64" in line for line in lines)
    assert any("PUBLIC_URL is not https. Mend: https://" in line for line in lines)


@pytest.mark.parametrize(("count", "is_wrong"), [(0, True), (1, False), (2, False)])
def test_a_web_side_without_a_proxy_is_told(count: int, is_wrong: bool) -> None:
    """Whoever dribbles a request in must not hold a thread of ours: something in front has to read it."""
    assert bool(check_proxy(count, development=False).mend) == is_wrong
    assert not check_proxy(count, development=True).mend
