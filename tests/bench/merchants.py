"""Thousands of merchants, made in bulk: their rows many at a time, their schemas from the dump of one that is there."""

import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection, transaction

from config import embedded
from tenants.fields import Mode, new_id
from tenants.models import Membership, Merchant, MerchantMode, RouteKey, User
from tenants.models.merchant import schema_name_for
from tenants.models.route_key import new_route_key
from tenants.sealing import new_wrapped_data_key

AT_A_TIME = 20  # schemas in one transaction: each locks its tables and indexes
BOOKS = (
    "INSERT INTO {new}.django_migrations (app, name, applied) SELECT app, name, applied FROM {old}.django_migrations"
)
LEFT_OUT = ("--", "\\", "SET ", "SELECT ")  # lines of a dump that are for the session that would read it


def make_merchants(count: int, like: str) -> list[Merchant]:
    """Make ready merchants whose schemas are the same as the one named `like`, and empty."""
    merchants = _register(count, at=datetime.now(UTC))
    script = dump_tables(like)
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        for some in _in_parts(merchants):
            with transaction.atomic():
                for merchant in some:
                    cursor.execute(script.replace(like, merchant.schema_name))
                    cursor.execute(BOOKS.format(new=merchant.schema_name, old=like))
        cursor.execute("RESET synchronous_commit")
    return merchants


def dump_tables(schema: str) -> str:
    """Return the statements that make a schema with its tables, as pg_dump writes them."""
    programs = embedded._find_binaries(embedded.find_cluster())
    url = connection.get_connection_params()
    command = [programs / "pg_dump", "--schema-only", "--no-owner", f"--schema={schema}"]
    command += [f"--host={url['host']}", f"--port={url['port']}", f"--username={url['user']}", url["dbname"]]
    dumped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in dumped.splitlines() if line and not line.startswith(LEFT_OUT)) + "\n"


def _register(count: int, *, at: datetime) -> list[Merchant]:
    owner = User.objects.create_user(f"owner-{new_id()}@shops.example", created_at=at)
    merchants = [_merchant(new_id(), number, at=at) for number in range(count)]
    Merchant.objects.bulk_create(merchants)
    MerchantMode.objects.bulk_create(MerchantMode(merchant=one, mode=mode) for one in merchants for mode in Mode.values)
    RouteKey.objects.bulk_create(
        RouteKey(merchant=one, mode=mode, kind=kind, key=new_route_key(kind), created_at=at)
        for one in merchants
        for mode in Mode.values
        for kind in RouteKey.Kind.values
    )
    role = Membership.Role.OWNER
    Membership.objects.bulk_create(Membership(merchant=one, user=owner, role=role, created_at=at) for one in merchants)
    return merchants


def _merchant(id_: UUID, number: int, *, at: datetime) -> Merchant:
    return Merchant(
        id=id_,
        schema_name=schema_name_for(id_),
        name=f"shop-{number}",
        state=Merchant.State.READY,
        data_key=new_wrapped_data_key(id_),
        created_at=at,
        ready_at=at,
    )


def _in_parts(merchants: Sequence[Merchant]) -> Iterator[Sequence[Merchant]]:
    for start in range(0, len(merchants), AT_A_TIME):
        yield merchants[start : start + AT_A_TIME]
