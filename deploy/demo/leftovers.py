"""`python -m deploy.demo.leftovers`: close the demo's own merchants of earlier runs.

The PortOne of their run is gone, and so are their keys there: a worker would be refused for ever, and say so. Known
by name and owner, whose address nobody can have, so that no merchant of anybody else is ever meant.
"""

import os
from datetime import UTC, datetime

import django
import psycopg

NAME = "데모 빵집"
OWNER = "owner@bakery.example"
LEFT = """
SELECT EXISTS (
    SELECT FROM public.tenants_merchant AS merchant
    JOIN public.tenants_membership AS membership ON membership.merchant_id = merchant.id
    JOIN public.tenants_user AS owner ON owner.id = membership.user_id
    WHERE merchant.name = %s AND owner.email = %s AND merchant.closed_at IS NULL)
"""


def have_been_left(url: str) -> bool:
    """Say whether there are any; asking costs less than a process that looks."""
    with psycopg.connect(url) as connection:
        return connection.execute(LEFT, (NAME, OWNER)).fetchone() == (True,)


def close_leftovers() -> None:
    """Close them without an export: what they hold was made up. Needs Django to be set up."""
    from results.close import close
    from tenants.models import Merchant

    for merchant in Merchant.objects.filter(name=NAME, memberships__user__email=OWNER, closed_at=None):
        close(merchant, actor="deploy.demo", at=datetime.now(UTC))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    close_leftovers()
