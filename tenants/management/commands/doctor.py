"""Is this installation well, and if not, how is it mended? One line for each thing that must hold."""

import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from smtplib import SMTPException
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import get_connection
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from config.health import TOO_LATE, queue_lag
from tenants.encryption import SealingError
from tenants.management.commands.migrate import schemas_behind
from tenants.models import Merchant, UnmappedFailure
from tenants.sealing import merchants_with_keys, open_vault
from tenants.staff import with_factor

OLDEST_SERVER: Final = 150000  # PostgreSQL 15, as server_version_num writes it
CLOCKS_APART: Final = timedelta(seconds=2)
PORTONE_SECONDS: Final = 5
# A merchant that is being made just now is not one that is stuck.
MAKING_TAKES: Final = timedelta(minutes=2)
NAMED: Final = 3
UNMAPPED_SHOWN: Final = 10

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one thing. With a mend it is wrong."""

    about: str
    says: str
    mend: str = ""

    def __str__(self) -> str:
        verdict = "wrong" if self.mend else "ok"
        line = f"{verdict:<5}  {self.about:<11}  {self.says}"
        return f"{line}. Mend: {self.mend}." if self.mend else line


class Command(BaseCommand):
    help = "Check settings, database, keys, queue, clock, staff, PortOne and mail; says how to mend each."
    requires_system_checks = ()  # they are one of the lines, so that the others are still seen

    def handle(self, **options: Any) -> None:
        wrong = 0
        for finding in examine(now=lambda: datetime.now(UTC)):
            self.stdout.write(str(finding))
            wrong += bool(finding.mend)
        if wrong:
            raise CommandError(f"{wrong} of the lines above {'is' if wrong == 1 else 'are'} wrong.")


def examine(*, now: Now) -> Iterator[Finding]:
    """Look at everything in turn; what needs the database is left out while that does not answer."""
    yield from check_settings()
    database = check_database()
    yield database
    if not database.mend:
        yield from examine_database(now=now)
    yield check_portone(settings.PORTONE_V1_URL)
    yield check_mail(development=settings.DEVELOPMENT)
    yield check_public_url(settings.PUBLIC_URL, development=settings.DEVELOPMENT)
    yield check_proxy(settings.TRUSTED_PROXY_COUNT, development=settings.DEVELOPMENT)


def examine_database(*, now: Now) -> Iterator[Finding]:
    """Look at what is kept in the database."""
    looks: dict[str, Callable[[], Finding]] = {
        "migrations": check_migrations,
        "schemas": check_schemas,
        "keys": check_keys,
        "queue": lambda: check_queue(at=now()),
        "clock": lambda: check_clock(now=now),
        "merchants": lambda: check_merchants(at=now()),
        "failures": list_unmapped,
        "staff": check_staff,
    }
    for about, look in looks.items():
        try:
            yield look()
        except DatabaseError as error:
            connection.close()
            yield Finding(about, f"could not be looked at ({first_line(error)})", "manage.py migrate, then doctor")


def check_settings() -> Iterator[Finding]:
    """Give each setting that would keep web and workers from starting a line of its own."""
    errors = [message for message in run_checks() if message.level >= ERROR and not message.is_silenced()]
    if not errors:
        yield Finding("settings", f"accepted for {settings.ENVIRONMENT}")
    for error in errors:
        yield Finding("settings", error.msg.rstrip("."), error.hint or f"look up {error.id}")


def check_database() -> Finding:
    mend = "check DATABASE_URL, the server and the way to it"
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version_num')::int")
            return judge_server(*cursor.fetchone() or (0,))
    except ImproperlyConfigured:
        return Finding("database", "none is set", mend)
    except DatabaseError as error:
        return Finding("database", first_line(error), mend)


def judge_server(number: int) -> Finding:
    """Judge a server by its server_version_num."""
    says = f"PostgreSQL {number // 10000}.{number % 10000} answers"
    return Finding("database", says, "" if number >= OLDEST_SERVER else "upgrade it to PostgreSQL 15 or later")


def check_migrations() -> Finding:
    executor = MigrationExecutor(connection)
    if due := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return Finding("migrations", f"the public schema lacks {len(due)}", "manage.py migrate")
    return Finding("migrations", "the public schema is up to date")


def check_schemas() -> Finding:
    """See whether each merchant's schema is there and has every migration."""
    schemas = list(Merchant.objects.ready().order_by("id").values_list("schema_name", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)", [schemas])
        present = {row[0] for row in cursor.fetchall()}
    if missing := [schema for schema in schemas if schema not in present]:
        return Finding("schemas", f"{some(missing)} of {len(schemas)} missing", "restore from a backup")
    if behind := schemas_behind(schemas):
        return Finding("schemas", f"{some(behind)} of {len(schemas)} behind", "manage.py migrate")
    return Finding("schemas", f"all {len(schemas)} of the merchants are up to date")


def check_keys() -> Finding:
    """See whether the key ring opens every merchant's data key."""
    opened, closed = 0, list[str]()
    for merchant in merchants_with_keys():
        try:
            open_vault(merchant)
            opened += 1
        except (SealingError, ValueError) as error:
            closed.append(f"{merchant.id} ({error})")
    if not closed:
        return Finding("keys", f"the ring opens all {opened} data keys")
    mend = "put the missing key into SEALING_KEYS again, or restore the row from a backup"
    return Finding("keys", f"{some(closed)} of {opened + len(closed)} data keys stay closed", mend)


def check_queue(*, at: datetime) -> Finding:
    lag = queue_lag(at=at)
    mend = "see that manage.py worker runs, or start another one" if lag > TOO_LATE else ""
    return Finding("queue", f"the oldest duty waits {lag.total_seconds():.0f} s", mend)


def check_clock(*, now: Now) -> Finding:
    """Compare our clock with the database's, halfway through the question."""
    asked = now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (theirs,) = cursor.fetchone() or (asked,)
    apart = abs(asked + (now() - asked) / 2 - theirs)
    mend = "let NTP set the clocks of this machine and of the database's" if apart >= CLOCKS_APART else ""
    return Finding("clock", f"{apart.total_seconds():.1f} s from the database's", mend)


def check_merchants(*, at: datetime) -> Finding:
    """See whether a merchant waits for its schema: one that failed, or has been at it for too long."""
    waiting = Merchant.objects.unfinished().order_by("id")
    stuck = [one for one in waiting if one.fault or at - one.created_at > MAKING_TAKES]
    if not stuck:
        return Finding("merchants", f"none is stuck; {len(waiting)} being made")
    names = some([f"{one.id} {one.state} ({one.fault or 'no fault noted'})" for one in stuck])
    return Finding("merchants", f"{names} unfinished", "mend the fault; a worker tries again every minute")


def list_unmapped() -> Finding:
    """Name the reasons for failures that no table knows yet, the most frequent first. For information; never wrong."""
    most = UnmappedFailure.objects.order_by("-count", "pg", "reason")[:UNMAPPED_SHOWN]
    lines = [f"\n{row.count:>13}  {row.pg or '-'}  {row.code or '-'}  {row.reason or '-'}" for row in most]
    if not lines:
        return Finding("failures", "every reason that PortOne gave is in our tables")
    return Finding("failures", f"{UnmappedFailure.objects.count()} reasons are in no table yet:{''.join(lines)}")


def check_portone(url: str) -> Finding:
    """Open a connection, with TLS where the address says so; nothing is asked, so any answer is good."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((host, port), timeout=PORTONE_SECONDS) as plain:
            if parts.scheme == "https":
                ssl.create_default_context().wrap_socket(plain, server_hostname=host).close()
    except OSError as error:
        mend = "check DNS, firewall and certificates on the way there, and PORTONE_V1_URL"
        return Finding("portone", f"{host}:{port} is out of reach ({first_line(error)})", mend)
    return Finding("portone", f"{host}:{port} can be reached")


def check_staff() -> Finding:
    """See whether everybody who may open /staff/ has what it takes to get in."""
    staff = list(with_factor().filter(is_superuser=True, is_active=True).order_by("email"))
    if not staff:
        return Finding("staff", "nobody; manage.py staff EMAIL lets a person open /staff/")
    if open_ := [person.email for person in staff if not person.with_factor]:
        mend = "let them open /staff/ and turn one on, or manage.py staff EMAIL --remove"
        return Finding("staff", f"{some(open_)} of {len(staff)} without a second factor", mend)
    return Finding("staff", f"{len(staff)}, each with a second factor")


def check_mail(*, development: bool) -> Finding:
    """Greet the mail server as a letter would be sent, with its password and TLS; nothing is sent."""
    if not settings.EMAIL_BACKEND.endswith(".smtp.EmailBackend"):
        mend = "" if development else "set EMAIL_URL, such as smtp://user:password@host:587?tls=1"
        return Finding("mail", "letters are printed, nobody gets them", mend)
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    try:
        with get_connection():
            return Finding("mail", f"{server} takes letters")
    except (OSError, SMTPException) as error:
        reason = first_line(error) if isinstance(error, OSError) else type(error).__name__
        return Finding("mail", f"{server} takes none ({reason})", "check EMAIL_URL, the server and the way to it")


def check_public_url(url: str, *, development: bool) -> Finding:
    """See whether customers and PortOne could come to this address at all."""
    host = urlsplit(url).hostname or ""
    if development or is_public(host):
        return Finding("public url", url)
    return Finding("public url", f"{url} leads nowhere from outside", "set PUBLIC_URL to the public https address")


def check_proxy(count: int, *, development: bool) -> Finding:
    """See whether something in front of us reads slow requests to their end: here each would hold a thread."""
    if development or count:
        return Finding("proxy", f"{count} in front of us" if count else "none, in development")
    return Finding("proxy", "none, so slow requests hold our threads", "put one in front and set TRUSTED_PROXY_COUNT=1")


def is_public(host: str) -> bool:
    """Tell whether a host could be public: a global address, or a name with a dot that is kept for no other use."""
    try:
        return ip_address(host).is_global
    except ValueError:
        ending = host.rstrip(".").rpartition(".")[2]
        return "." in host.rstrip(".") and ending not in (
            "localhost",
            "local",
            "internal",
            "test",
            "invalid",
            "example",
        )


def some(names: list[str]) -> str:
    """Return how many there are and the first few of them."""
    return f"{len(names)} ({', '.join(names[:NAMED])}{', …' if len(names) > NAMED else ''})"


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
