"""Failures that no table names yet are counted, so that the tables can grow."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from deploy.demo.simulator import Simulator
from results.claims import Told, publish_claim
from results.core.claim import read_claim
from results.core.snapshot import Snapshot
from results.core.words import Cause
from results.publish import publish_snapshot
from tenants.models import UnmappedFailure
from tenants.routing import inside
from tests.factories import Cast

NOW = datetime.now(UTC)
FAILED = Snapshot(
    imp_uid="imp_000000000001",
    merchant_uid="order-1",
    status="failed",
    amount=Decimal(64900),
    cancel_amount=Decimal(0),
    currency="KRW",
    sandbox=False,
    asked_at=NOW,
    failed_at=NOW,
    pg="nice_v2",
    fail_reason="아무도 모르는 사유 (010-1234-5678)",
)


def publish(cast: Cast, snapshot: Snapshot, cause: Cause = Cause.WEBHOOK) -> None:
    with inside(cast.merchant.schema_name):
        publish_snapshot(cast.route, snapshot, cause=cause, named_by_claim=True, at=snapshot.asked_at)


def counted() -> list[tuple[str, str, str, str, int]]:
    rows = UnmappedFailure.objects.order_by("-count")
    return list(rows.values_list("pg", "code", "reason", "confidence", "count"))


def test_an_unmapped_failure_is_counted_once_a_payment(bakery: Cast) -> None:
    """The same answer about the same payment, and a late registration of its order, count no more."""
    publish(bakery, FAILED)
    publish(bakery, replace(FAILED, asked_at=NOW + timedelta(seconds=5)))
    bakery.expects("order-1")

    assert counted() == [("nice_v2", "", "아무도 모르는 사유 (#)", "none", 1)]


def test_all_merchants_share_one_count(bakery: Cast, florist: Cast) -> None:
    """What two merchants' payments failed for is one kind, counted twice."""
    publish(bakery, FAILED)
    publish(florist, replace(FAILED, imp_uid="imp_2", fail_reason="아무도 모르는 사유 (010-8765-4321)"))

    assert [row[-1] for row in counted()] == [2]


def test_what_a_table_names_is_not_counted(bakery: Cast) -> None:
    """A mapped failure needs no place in a table any more; one that was guessed from its words does."""
    publish(bakery, replace(FAILED, fail_reason="카드 한도초과"))
    publish(bakery, replace(FAILED, imp_uid="imp_2", merchant_uid="order-2", fail_reason="[3051] 거절"))

    assert [row[3] for row in counted()] == ["heuristic"]


def test_claims_are_never_counted(bakery: Cast) -> None:
    """What a redirect says of a failure is a stranger's text and does not reach the count."""
    bakery.expects("order-1")
    query = "merchant_uid=order-1&imp_success=false&error_code=X1&error_msg=made%20up"
    claim = read_claim(query=query, content_type="", body=b"")

    with inside(bakery.merchant.schema_name):
        told = publish_claim(bakery.route, claim, at=NOW)

    assert told is Told.YES
    assert counted() == []


def test_a_claim_that_proves_true_is_counted_as_what_portone_says(bakery: Cast) -> None:
    """The first verified answer after a told claim is news, and its reason is PortOne's."""
    test_claims_are_never_counted(bakery)

    publish(bakery, FAILED)

    assert [row[-1] for row in counted()] == [1]


def test_what_rolls_back_is_not_counted(bakery: Cast) -> None:
    """A failure is counted after its publication has committed, or not at all."""
    with transaction.atomic():
        publish(bakery, FAILED)
        transaction.set_rollback(True)

    assert counted() == []


def test_the_shared_count_is_no_part_of_publishing(bakery: Cast) -> None:
    """A kind that every merchant counts is locked by nobody who publishes: it is counted after the commit."""
    with CaptureQueriesContext(connection) as queries:
        publish(bakery, FAILED)

    said = [query["sql"].split()[0] + " unmappedfailure" * ("unmappedfailure" in query["sql"]) for query in queries]
    assert said.index("COMMIT") < said.index("INSERT unmappedfailure")


def test_doctor_names_the_most_frequent(bakery: Cast, portone: Simulator) -> None:
    """Ten kinds are named, most frequent first, and nothing is wrong about them."""
    for number in range(12):
        UnmappedFailure.objects.create(
            pg="nice_v2",
            reason="사유 " + "abcdefghijkl"[number],
            confidence="none",
            count=number + 1,
            first_seen_at=NOW,
            last_seen_at=NOW,
        )
    out = StringIO()

    call_command("doctor", stdout=out)

    said = out.getvalue()
    assert "failures     12 reasons are in no table yet:\n           12  nice_v2  -  사유 l\n" in said
    assert "사유 c" in said
    assert "사유 b" not in said
