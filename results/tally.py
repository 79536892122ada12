"""Count the failures that no table names yet, so that the tables can grow. One count for all merchants."""

from datetime import datetime
from functools import partial
from typing import Final

from django.db import connection, transaction

from results.core.failures import Confidence, Failure
from results.core.unmapped import Kind, kind_of
from tenants.fields import new_id

COUNT: Final = """
INSERT INTO public.tenants_unmappedfailure (id, pg, code, reason, confidence, count, first_seen_at, last_seen_at)
VALUES (%s, %s, %s, %s, %s, 1, %s, %s)
ON CONFLICT (pg, code, reason) DO UPDATE SET
    count = tenants_unmappedfailure.count + 1,
    confidence = EXCLUDED.confidence,
    last_seen_at = GREATEST(tenants_unmappedfailure.last_seen_at, EXCLUDED.last_seen_at)
"""


def count_unmapped(pg: str | None, failure: Failure, *, at: datetime) -> None:
    """Count a verified failure that is not mapped, once this transaction has committed.

    Afterwards and not within, because the busiest kinds are rows that all merchants share. A count that is lost
    with its process is missed by nobody.
    """
    if failure.confidence is not Confidence.MAPPED:
        transaction.on_commit(partial(_count, kind_of(pg, failure), failure.confidence, at), robust=True)


def _count(kind: Kind, confidence: Confidence, at: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [new_id(), *kind, confidence.value, at, at])
