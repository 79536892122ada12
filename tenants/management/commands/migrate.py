"""Bring the public schema and every merchant's schema to date, skipping those that already are."""

from typing import Any

from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django_tenants.management.commands.migrate import Command as DjangoTenantsMigrate
from psycopg import sql

from tenants.models import Merchant
from tenants.schemas import TENANT_APP, migrate_schema

SCHEMAS_A_QUERY = 500


class Command(DjangoTenantsMigrate):
    help = "Bring the public schema and every merchant's schema to date; says how many it touched and skipped."

    def handle(self, *args: Any, **options: Any) -> None:
        """With an app label, a schema or --shared, do as django-tenants does; alone, do everything that is due."""
        if options.get("app_label") or options.get("schema_name") or options.get("shared") or options.get("tenant"):
            super().handle(*args, **options)
            return
        quiet = {"interactive": False, "verbosity": max(0, options["verbosity"] - 1)}
        call_command("migrate_schemas", shared=True, **quiet)
        schemas = list(Merchant.objects.ready().order_by("id").values_list("schema_name", flat=True))
        due = schemas_behind(schemas)
        for schema in due:
            migrate_schema(schema, verbosity=quiet["verbosity"])
        if options["verbosity"]:
            skipped = len(schemas) - len(due)
            self.stdout.write(f"public schema up to date; merchants: {len(due)} migrated, {skipped} already up to date")


def schemas_behind(schemas: list[str]) -> list[str]:
    """Return the schemas that lack a migration, asking many schemas in one query."""
    loader = MigrationLoader(None)
    known = [name for app, name in loader.disk_migrations if app == TENANT_APP]
    behind: list[str] = []
    for start in range(0, len(schemas), SCHEMAS_A_QUERY):
        behind += _behind(schemas[start : start + SCHEMAS_A_QUERY], known)
    return behind


def _behind(schemas: list[str], known: list[str]) -> list[str]:
    one = sql.SQL("SELECT {literal} FROM {table} WHERE app = {app} AND name = ANY({known}) HAVING count(*) < {count}")
    parts = [
        one.format(
            literal=sql.Literal(schema),
            table=sql.Identifier(schema, "django_migrations"),
            app=sql.Literal(TENANT_APP),
            known=sql.Literal(known),
            count=sql.Literal(len(known)),
        )
        for schema in schemas
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(" UNION ALL ").join(parts))
        return [row[0] for row in cursor.fetchall()]
