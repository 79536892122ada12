"""manage.py close_merchant: everything is written down, then the keys are gone, and it is quiet for ever."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from structlog.testing import CapturingLogger

from deploy.demo import leftovers
from results import close as closing
from results.core.ids import encode
from results.export import ExportBroken, export, read_export
from results.management.commands.worker import CLOCKWORK, conninfo
from results.models import Endpoint, EndpointSecret, Event, Notification, Verification
from results.reconcile import ensure_sweeps
from tenants.encryption import SealingError
from tenants.models import ApiKey, AuditEntry, Credential, Duty, Merchant, MerchantKey, RouteKey, User
from tenants.onboarding import register_merchant
from tenants.routing import find_mode, forget_everything, inside
from tenants.sealing import open_vault
from tests.factories import Cast
from tests.postbox import Postbox

Work = Callable[..., None]
NOW = datetime.now(UTC)
BUYER = {"buyer_name": "구매자이름"}


@pytest.fixture
def baker(bakery: Cast) -> Iterator[Cast]:
    """The bakery, which stands again afterwards as it was before it was closed."""
    before = Merchant.objects.values("data_key", "closed_at").get(id=bakery.merchant.id)
    yield bakery
    Merchant.objects.filter(id=bakery.merchant.id).update(**before)
    RouteKey.objects.filter(merchant=bakery.merchant).update(works_until=None)
    forget_everything()


@pytest.fixture
def paid(baker: Cast, run_worker: Work) -> Cast:
    """The bakery, one payment of which was told."""
    imp_uid = baker.opens_window("order-1", **BUYER)
    baker.portone.approve(imp_uid)
    baker.is_called_about(imp_uid, "order-1", buyer_name="구매자이름")
    run_worker()
    assert baker.told() == ["payment.paid"]
    return baker


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bakery.zip"


def close(cast: Cast, file: Path | None = None, **options: Any) -> str:
    out = StringIO()
    options.setdefault("yes", True)
    call_command("close_merchant", merchant=encode("mer", cast.merchant.id), export=file, stdout=out, **options)
    return out.getvalue()


def rows_in(file: Path, table: str) -> list[dict[str, Any]]:
    with zipfile.ZipFile(file) as archive:
        return [json.loads(line) for line in archive.read(f"{table}.jsonl").splitlines()]


def test_everything_that_is_the_merchants_is_written_down(paid: Cast, file: Path) -> None:
    """What arrived and what PortOne answered stand opened in the file, and events as they were sent."""
    sent = [bytes(event.body).decode() for event in paid.published()]

    close(paid, file)

    arrivals = [json.loads(row["raw"]) for row in rows_in(file, "results_notification")]
    assert [row["buyer_name"] for row in arrivals if "buyer_name" in row] == ["구매자이름"]
    assert json.loads(rows_in(file, "results_verification")[0]["raw"])["buyer_name"] == "구매자이름"
    assert [row["body"] for row in rows_in(file, "results_event")] == sent
    tables = ("tenants_merchant", "results_order", "results_payment", "results_delivery", "results_attempt")
    assert [len(rows_in(file, table)) for table in tables] == [1, 1, 1, 1, 1]


def test_no_key_is_in_the_file(paid: Cast, file: Path) -> None:
    """Secrets and keys are not exported, in whatever column they are."""
    keys = [row.key for row in RouteKey.objects.filter(merchant=paid.merchant)]
    keys += [paid.keys.api_key, paid.keys.return_key, paid.keys.order_key, paid.imp_key, "not-a-secret"]

    close(paid, file)

    with zipfile.ZipFile(file) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist()).decode()
    # A webhook's key stands in no row but its own; a redirect's likewise.
    assert [key for key in keys if key in content] == []
    assert "data_key" not in content
    assert "endpointsecret" not in content


def test_the_manifest_counts_and_proves_each_table(paid: Cast, file: Path) -> None:
    """For each table the manifest has its rows and the SHA-256 of its lines, and nobody else may read the file."""
    close(paid, file)

    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        for entry in manifest["tables"].values():
            content = archive.read(entry["file"])
            assert (entry["rows"], entry["sha256"]) == (content.count(b"\n"), hashlib.sha256(content).hexdigest())
    assert manifest["merchant"] == encode("mer", paid.merchant.id)
    assert file.stat().st_mode & 0o777 == 0o600
    assert AuditEntry.objects.get(action="merchant.closed").detail == {
        "export_sha256": hashlib.sha256(file.read_bytes()).hexdigest()
    }


def test_large_tables_are_read_in_batches(paid: Cast, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small a batch is, each row is in the file once, in order."""
    monkeypatch.setattr("results.export.ROWS_A_TIME", 3)
    with inside(paid.merchant.schema_name):
        Event.objects.bulk_create(
            Event(mode="live", type="claim.rejected", created_at=NOW, body=b"\xff") for _ in range(10)
        )

    written = export(paid.merchant, file, at=NOW)

    ids = [row["id"] for row in rows_in(file, "results_event")]
    assert ids == [str(event.id) for event in paid.published()]
    assert written["results_event"].rows == 11
    assert rows_in(file, "results_event")[-1]["body"] == {"hex": "ff"}


def test_what_does_not_open_is_left_empty_and_counted(paid: Cast, file: Path) -> None:
    """A value that no key of the ring opens is null in the file, and their number is in its manifest."""
    with inside(paid.merchant.schema_name):
        Notification.objects.update(raw=b"garbage")

    written = export(paid.merchant, file, at=NOW)

    assert {row["raw"] for row in rows_in(file, "results_notification")} == {None}
    assert written["results_notification"].unopened == len(paid.notifications())
    assert written["results_verification"].unopened == 0


def test_a_damaged_file_is_noticed(paid: Cast, file: Path) -> None:
    """A file that lacks a line does not pass for an export."""
    export(paid.merchant, file, at=NOW)
    damaged = file.with_name("damaged.zip")
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(damaged, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, b"" if name == "results_event.jsonl" else content)

    with pytest.raises(ExportBroken, match=r"results_event\.jsonl"):
        read_export(damaged)


def test_its_keys_are_gone(paid: Cast, file: Path) -> None:
    """Of a closed merchant no key is left, and its data key, which opened all the rest, is shredded."""
    vault = open_vault(paid.merchant)
    close(paid, file)

    merchant = Merchant.objects.get(id=paid.merchant.id)
    assert (merchant.data_key, merchant.closed_at is None) == (None, False)
    assert not Credential.objects.filter(merchant=merchant).exists()
    assert not MerchantKey.objects.filter(merchant=merchant).exists()
    assert not ApiKey.objects.filter(merchant=merchant, revoked_at=None).exists()
    assert paid.rows(EndpointSecret) == []
    assert all(endpoint.disabled_at and endpoint.headers is None for endpoint in paid.rows(Endpoint))
    assert vault.merchant == merchant.id
    with pytest.raises(SealingError):
        open_vault(merchant)


def test_the_ledger_stays_but_does_not_open(paid: Cast, florist: Cast, file: Path) -> None:
    """Rows stay; what was sealed opens neither by the ring nor by another merchant's key."""
    close(paid, file)

    (row,) = paid.rows(Verification)
    assert row.raw is not None
    assert len(paid.published()) == 1
    with pytest.raises(SealingError):
        open_vault(florist.merchant).open(bytes(row.raw), table="results_verification", field="raw", row=row.id)


def test_its_urls_lead_nowhere(paid: Cast, file: Path) -> None:
    """Webhooks, landings and the API of a closed merchant are answered as if it had never been."""
    webhook, redirect = paid.webhook_url, paid.redirect_url
    page = str(paid.lands(merchant_uid="order-1").headers["location"])
    close(paid, file)

    named = {"imp_uid": "imp_111111111111", "merchant_uid": "order-1"}
    assert httpx.post(webhook, json=named | {"status": "paid"}, trust_env=False).status_code == 404
    assert httpx.get(redirect, params=named, trust_env=False).status_code == 404
    assert httpx.get(page, trust_env=False).status_code == 404
    headers = {"Authorization": f"Bearer {paid.keys.api_key}"}
    body = {"amount": 1000, "currency": "KRW"}
    assert httpx.put(f"{paid.web}/api/v1/orders/x", json=body, headers=headers, trust_env=False).status_code == 401


def test_nothing_more_is_done_or_said_of_it(
    paid: Cast, file: Path, run_worker: Work, make_due: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No duty is left, no sweep begins again, and neither worker nor clock has a word about it."""
    paid.is_called_about("imp_222222222222", "order-2")
    close(paid, file)
    logger = CapturingLogger()
    for module in ("worker", "retention", "recover", "reconcile", "verify"):
        monkeypatch.setattr(f"results.{module}.log", logger)

    ensure_sweeps()
    for work in CLOCKWORK:
        work.step()
    make_due()
    run_worker()

    assert not Duty.objects.filter(merchant=paid.merchant.id).exists()
    assert [line.args for line in logger.calls] == []
    assert find_mode(paid.merchant.id, "live") is None


def test_other_merchants_are_untouched(paid: Cast, florist: Cast, file: Path, run_worker: Work) -> None:
    """The florist's payments are verified and told as before."""
    imp_uid = florist.opens_window("order-1")
    florist.portone.approve(imp_uid)
    florist.is_called_about(imp_uid, "order-1")

    close(paid, file)
    run_worker()

    assert florist.told() == ["payment.paid"]
    assert Credential.objects.filter(merchant=florist.merchant).exists()
    assert not AuditEntry.objects.filter(merchant=florist.merchant, action="merchant.closed").exists()


def test_its_owners_are_written_to(paid: Cast, file: Path, postbox: Postbox, do_jobs: Work) -> None:
    """Owners hear once, in both languages, that their merchant was closed."""
    close(paid, file)
    do_jobs()
    close(paid, file.with_name("again.zip"))
    do_jobs()

    (letter,) = postbox.letters
    assert letter["To"] == "owner@bakery.example"
    text = letter.get_payload(decode=True).decode()
    assert "bakery was closed here at" in text
    assert "404" in text


def test_without_the_name_nothing_happens(paid: Cast, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks for the merchant's name; another answer writes no file and closes nothing."""
    monkeypatch.setattr("sys.stdin", StringIO("florist\n"))

    with pytest.raises(CommandError, match="nothing was changed"):
        close(paid, file, yes=False)

    assert not file.exists()
    assert find_mode(paid.merchant.id, "live") is not None


def test_with_the_name_it_is_closed(paid: Cast, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typing the name is enough."""
    monkeypatch.setattr("sys.stdin", StringIO("bakery\n"))

    assert "bakery is closed" in close(paid, file, yes=False)


def test_no_file_is_written_over(paid: Cast, file: Path) -> None:
    """A file that is there stays as it is, and the merchant open."""
    file.write_text("precious")

    with pytest.raises(CommandError, match="not written over"):
        close(paid, file)

    assert file.read_text() == "precious"
    assert Merchant.objects.get(id=paid.merchant.id).closed_at is None


@pytest.mark.parametrize("where", [None, Path("/nowhere/at/all.zip"), Path("/dev/null/x.zip")])
def test_without_a_place_for_the_export_nothing_happens(paid: Cast, where: Path | None) -> None:
    """No file, no folder: the merchant stays open, and the message names the option."""
    with pytest.raises(CommandError, match="--export"):
        close(paid, where)

    assert Merchant.objects.get(id=paid.merchant.id).closed_at is None


def test_a_dry_run_shows_what_there_is(paid: Cast, file: Path) -> None:
    """A dry run counts the rows of each table and changes nothing."""
    out = close(paid, file, dry_run=True)

    assert f"{1:>12,}  results_payment" in out
    assert not file.exists()
    assert Merchant.objects.get(id=paid.merchant.id).closed_at is None


def test_an_export_that_broke_off_is_begun_anew(paid: Cast, file: Path) -> None:
    """What a crash left half written is no export: the next run writes a whole one in its place."""
    part = file.with_name(file.name + ".part")
    part.write_bytes(b"half")

    close(paid, file)

    assert not part.exists()
    assert read_export(file)["results_payment"].rows == 1


@pytest.mark.parametrize("table", ["tenants_routekey", "tenants_credential", "tenants_duty", "tenants_auditentry"])
def test_a_crash_while_closing_leaves_it_open(paid: Cast, file: Path, table: str) -> None:
    """Cut off at any statement, the merchant is as it was, and the next run closes it."""
    with pytest.raises(ConnectionError), _cut_off_at(table):
        close(paid, file)
    assert Merchant.objects.get(id=paid.merchant.id).data_key is not None
    assert Credential.objects.filter(merchant=paid.merchant).exists()

    close(paid, file.with_name("again.zip"))

    assert Merchant.objects.get(id=paid.merchant.id).data_key is None


def test_closing_again_removes_what_came_late(paid: Cast, file: Path) -> None:
    """What a worker still wrote for a merchant that it remembered goes with the next run, which needs no file."""
    close(paid, file)
    late = {"mode": "live", "lane": paid.merchant.id, "reference": paid.merchant.id, "due_at": NOW}
    Duty.objects.create(kind=Duty.Kind.ASK, merchant=paid.merchant.id, **late)

    out = close(paid)

    assert "was closed at" in out
    assert not Duty.objects.filter(merchant=paid.merchant.id).exists()
    assert AuditEntry.objects.filter(action="merchant.closed").count() == 1


def test_closing_says_whether_it_was_the_first_time(baker: Cast) -> None:
    """Whoever closes without an export hears whether anything was open still."""
    assert closing.close(baker.merchant, actor="tests", at=NOW)
    assert not closing.close(baker.merchant, actor="tests", at=NOW)


def test_the_demo_closes_only_what_it_left_itself(baker: Cast) -> None:
    """Merchants of earlier demos are closed, finished or not; one of the same name with another owner is not."""
    ours, other = (
        register_merchant(name=leftovers.NAME, owner_email=email, actor="tests", at=NOW)
        for email in (leftovers.OWNER, "owner@elsewhere.example")
    )

    try:
        before = leftovers.have_been_left(conninfo())
        leftovers.close_leftovers()
        after = leftovers.have_been_left(conninfo())
        closed = set(Merchant.objects.exclude(closed_at=None).values_list("id", flat=True))
    finally:
        Merchant.objects.filter(id__in=(ours.id, other.id)).delete()
        User.objects.filter(email="owner@elsewhere.example").delete()

    assert (before, after) == (True, False)
    assert closed == {ours.id}


class _cut_off_at:
    """The connection to the database breaks before the first writing statement about a table."""

    def __init__(self, table: str) -> None:
        self.table = table

    def __enter__(self) -> None:
        self._wrapper = connection.execute_wrapper(self._run)
        self._wrapper.__enter__()

    def _run(self, execute: Callable[..., Any], statement: Any, *rest: Any) -> Any:
        if str(statement).split(" ", 1)[0] in ("UPDATE", "DELETE", "INSERT") and f'"{self.table}"' in str(statement):
            raise ConnectionError(self.table)
        return execute(statement, *rest)

    def __exit__(self, *error: Any) -> None:
        self._wrapper.__exit__(*error)
