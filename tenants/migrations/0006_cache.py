"""What sign-in attempts are counted in, by all processes together. Unlogged: a crash may forget it."""

from django.db import migrations

TABLE = """
CREATE UNLOGGED TABLE public.tenants_cache (
    cache_key varchar(255) PRIMARY KEY, value text NOT NULL, expires timestamp with time zone NOT NULL);
CREATE INDEX tenants_cache_expires ON public.tenants_cache (expires);
"""


class Migration(migrations.Migration):

    dependencies = [("tenants", "0005_retention")]
    operations = [migrations.RunSQL(TABLE, "DROP TABLE public.tenants_cache")]
