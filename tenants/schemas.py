"""How a merchant's tables come to be: by migrating, and from then on by saying the same to PostgreSQL again.

Migrating an empty schema takes Django ten times as long as PostgreSQL, because it makes every model anew in memory
after each step. So a process migrates the first schema that it makes and remembers the statements; the schemas after
it are made of these, in one transaction, and their books say the same. One that is there already is migrated.
"""

from dataclasses import dataclass
from typing import Any, Final

from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from psycopg import sql

from tenants.routing import inside

TENANT_APP: Final = "results"
NOT_SAID_AGAIN: Final = ("SELECT", "SHOW", "SET search_path", 'INSERT INTO "django_migrations"')


@dataclass(frozen=True, slots=True)
class Script:
    """What was said to PostgreSQL to make one schema, and the migrations that it stands for."""

    statements: tuple[tuple[str, Any], ...]
    migrations: tuple[tuple[str, str], ...]


_scripts: list[Script] = []  # of this process: none or one


def make_schema(name: str) -> None:
    """Make a schema with all its tables; one that is there already is brought to date."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [name])
        is_new = cursor.fetchone() is None
    if is_new and _scripts:
        try:
            _say_again(_scripts[0], name)
        except Exception:
            _scripts.clear()  # whoever tries again migrates
            raise
        return
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name)))
    if is_new and can_be_said_again(MigrationLoader(None).disk_migrations.values()):
        _scripts[:] = [_migrate_and_listen(name)]
    else:
        migrate_schema(name)


def migrate_schema(name: str, *, verbosity: int = 0) -> None:
    """Run the migrations that one schema lacks; those of shared apps would do nothing but take time."""
    with inside("public"):  # a migration that fails would leave this thread in the merchant's schema
        call_command("migrate_schemas", TENANT_APP, schema_name=name, interactive=False, verbosity=verbosity)


def can_be_said_again(migrations: Any) -> bool:
    """Say whether the merchants' migrations are statements alone, each within a transaction.

    What Python does to one schema, such as making a random id, is not to be repeated in others.
    """
    ours: list[Migration] = [migration for migration in migrations if migration.app_label == TENANT_APP]
    return all(one.atomic and all(step.reduces_to_sql for step in one.operations) for one in ours)


def _migrate_and_listen(name: str) -> Script:
    heard: list[tuple[str, Any]] = []

    def listen(execute: Any, statement: Any, values: Any, many: bool, context: Any) -> Any:
        if not str(statement).lstrip().startswith(NOT_SAID_AGAIN):
            heard.append((statement, values))
        return execute(statement, values, many, context)

    with connection.execute_wrapper(listen):
        migrate_schema(name)
    with inside(name):
        return Script(tuple(heard), tuple(MigrationRecorder(connection).applied_migrations()))


def _say_again(script: Script, name: str) -> None:
    with inside(name), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
            for statement, values in script.statements:
                cursor.execute(statement, values)
        books = MigrationRecorder(connection).migration_qs
        books.bulk_create(books.model(app=app, name=migration) for app, migration in script.migrations)
