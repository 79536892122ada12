"""manage.py migrate: every schema is brought to date, and those that are cost next to nothing."""

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from psycopg import sql

from results.models import Order, Payment
from tenants.management.commands.migrate import SCHEMAS_A_QUERY, schemas_behind
from tenants.models import Credential, Merchant, MerchantMode
from tenants.onboarding import provision
from tenants.routing import inside
from tests.tenants.conftest import NOON, Register

Cast = dict[str, Merchant]
BOOKS = "{}.django_migrations"


def migrate(*args: str) -> str:
    out = StringIO()
    call_command("migrate", *args, stdout=out, interactive=False)
    return out.getvalue()


def run(statement: str, schema: str, *values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(sql.Identifier(schema)), values)
        return cursor.fetchall() if cursor.description else []


def summary(migrated: int, skipped: int) -> str:
    return f"public schema up to date; merchants: {migrated} migrated, {skipped} already up to date\n"


@pytest.fixture
def behind(register: Register) -> Merchant:
    """A ready merchant whose schema has none of our tables yet."""
    newcomer = provision(register(), at=NOON)
    call_command("migrate_schemas", "results", "zero", schema_name=newcomer.schema_name, interactive=False, verbosity=0)
    return newcomer


@pytest.fixture
def forgotten(database: Cast) -> Iterator[str]:
    """The florist's schema with one migration missing from its books."""
    schema = database["florist"].schema_name
    row = run(f"SELECT app, name, applied FROM {BOOKS} WHERE app = 'results' ORDER BY name DESC LIMIT 1", schema)[0]
    run(f"DELETE FROM {BOOKS} WHERE app = %s AND name = %s", schema, *row[:2])
    yield schema
    run(f"INSERT INTO {BOOKS} (app, name, applied) VALUES (%s, %s, %s)", schema, *row)


def test_nothing_to_do_is_said(database: Cast) -> None:
    """When all is up to date, it says that it touched none and how many it skipped."""
    assert migrate() == summary(0, Merchant.objects.ready().count())


def test_touched_and_skipped_are_counted(behind: Merchant) -> None:
    """A schema that is behind is brought to date and counted, and the others are skipped."""
    assert migrate() == summary(1, Merchant.objects.ready().count() - 1)

    with inside(behind.schema_name):
        assert Order.objects.count() == 0


def test_migrate_says_nothing_when_asked_to_be_quiet(behind: Merchant) -> None:
    """Without verbosity the work is done in silence."""
    assert migrate("--verbosity", "0") == ""
    assert schemas_behind([behind.schema_name]) == []


def test_a_merchant_without_a_schema_is_left_alone(register: Register) -> None:
    """A newcomer whose schema is still to be made is not counted, and keeps nobody waiting."""
    register()

    assert migrate() == summary(0, Merchant.objects.ready().count())


def test_a_schema_with_a_missing_row_is_found(database: Cast, forgotten: str) -> None:
    """A schema whose books lack one migration is behind, and it alone."""
    assert schemas_behind([merchant.schema_name for merchant in database.values()]) == [forgotten]


def test_nothing_to_do_is_one_query_for_the_merchants(
    database: Cast, django_assert_num_queries: Callable[[int], Any]
) -> None:
    """However many merchants of one batch are up to date, one question finds out."""
    schemas = [merchant.schema_name for merchant in database.values()] * (SCHEMAS_A_QUERY // 2)
    run(f"SELECT 1 FROM {BOOKS}", schemas[0])

    with django_assert_num_queries(1):
        assert schemas_behind(schemas) == []


def test_no_merchants_is_no_query(database: Cast, django_assert_num_queries: Callable[[int], Any]) -> None:
    """A fresh installation asks for nothing."""
    with django_assert_num_queries(0):
        assert schemas_behind([]) == []


def test_processes_of_the_release_before_go_on_writing(database: Cast) -> None:
    """While a deploy is under way old web and worker processes insert rows without the new columns."""
    bakery = database["bakery"]
    before = MigrationLoader(connection).project_state([("results", "0001_initial"), ("tenants", "0002_queues")])
    old, keys = before.apps.get_model, {"imp_key": b"sealed", "imp_secret": b"sealed"}

    with inside(bakery.schema_name), transaction.atomic():
        order = old("results", "Order").objects.create(mode="live", merchant_uid="order-1", created_at=NOON)
        payment = {"status": "pending", "judgement": {}, "first_seen_at": NOON}
        old("results", "Payment").objects.create(mode="live", order=order, **payment)
        old("tenants", "MerchantMode").objects.filter(merchant_id=bakery.id).delete()
        old("tenants", "MerchantMode").objects.create(mode="live", merchant_id=bakery.id)
        old("tenants", "Credential").objects.create(mode="live", merchant_id=bakery.id, created_at=NOON, **keys)

        written = (Order.objects.get().statements, Payment.objects.get().doubts, Credential.objects.get().pauses)
        policy = MerchantMode.objects.get(merchant=bakery).confirm_policy
        transaction.set_rollback(True)

    assert (*written, policy) == ({}, 0, 0, "open")
