"""The hot queue table kept narrow and clean, and the tables of the jobs library."""

from django.db import migrations

from tenants.jobs import install_sql

# Every duty is written once, updated a few times and deleted: without this its index would be mostly dead rows.
TUNED = """
ALTER TABLE tenants_duty SET (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.05
)
"""


def install(apps, schema_editor):
    if schema_editor.connection.schema_name == "public":
        schema_editor.execute(TUNED, params=None)
        schema_editor.execute(install_sql(), params=None)


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
