"""The list of payments: found by any name, narrowed, paged by key, and taken along as a file."""

import csv
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape
from io import StringIO

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from results.core.ids import encode
from results.models import Delivery, Endpoint, Event, Payment
from results.views.dashboard.payment_list import ROWS, ROWS_A_TIME
from tenants.models import AuditEntry
from tenants.routing import inside
from tests.dashboard.payment_stage import NOON, Members, account, address, make_payment, members_of_a_story, orders_on
from tests.factories import Cast

Work = Callable[..., None]
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "{{ 7*7 }}{% debug %}",
    "javascript:alert(1)",
    "</td></table><svg/onload=alert(1)>",
    "</title></textarea><script>alert(1)</script>",
    "<a href=javascript:alert(1)>x</a><!--",
    "&lt;script&gt;alert(1)&#60;/script&#62;",
)


@pytest.fixture
def members(database: object) -> Iterator[Members]:
    with members_of_a_story() as members:
        yield members


@pytest.fixture
def viewer(bakery: Cast, members: Members) -> Client:
    return members(bakery.merchant, "viewer")


def seek(client: Client, cast: Cast, **said: str) -> list[str]:
    answer = client.get(address(cast, "payments"), said)
    assert answer.status_code == 200
    return orders_on(answer.content)


def read_file(client: Client, cast: Cast, **said: str) -> list[dict[str, str]]:
    answer = client.get(address(cast, "payments_file"), said)
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(StringIO(text)))


def test_payments_stand_newest_first(bakery: Cast, viewer: Client) -> None:
    """The list shows what came last at the top, each with state, order, method, amount and a link to its page."""
    make_payment(bakery, "order-1", 1)
    newest = make_payment(bakery, "order-2", 2, status="awaiting_deposit", snapshot={"virtual_account": account()})

    page = viewer.get(address(bakery, "payments")).content.decode()

    assert orders_on(page.encode()) == ["order-2", "order-1"]
    assert "state-waiting" in page
    assert "₩64,900" in page
    assert "••••0002" in page
    assert f'href="{address(bakery, "payment", payment=newest.id)}"' in page


def test_what_was_cancelled_in_part_stands_below(bakery: Cast, viewer: Client) -> None:
    """A payment of which a part went back shows that part; one that is cancelled as a whole does not repeat itself."""
    make_payment(bakery, "part", 1, status="partially_cancelled", snapshot={"cancel_amount": Decimal(9000)})
    make_payment(bakery, "all", 2, status="cancelled", snapshot={"cancel_amount": Decimal(64900)})

    page = viewer.get(address(bakery, "payments")).content.decode()

    assert "−₩9,000" in page
    assert "−₩64,900" not in page


def test_an_empty_shop_is_told_what_will_stand_here(bakery: Cast, viewer: Client) -> None:
    """Before the first payment the list says what it is for; a search that finds nothing offers all payments."""
    fresh = viewer.get(address(bakery, "payments")).content.decode()
    sought = viewer.get(address(bakery, "payments"), {"q": "order-9"}).content.decode()

    assert address(bakery, "home") in fresh
    assert "“order-9”" in sought
    assert f'href="{address(bakery, "payments")}"' in sought
    assert f'href="{address(bakery, "payments").replace("/live/", "/test/")}?q=order-9"' in sought


def test_a_payment_is_found_by_each_of_its_names(bakery: Cast, viewer: Client, run_worker: Work) -> None:
    """Order, the beginning of its number, imp_uid, pay_… and evt_… each find the one payment."""
    bakery.expects("order-77")
    imp_uid = bakery.opens_window("order-77")
    bakery.portone.approve(imp_uid)
    run_worker(until=lambda: bakery.told("order-77") == ["payment.paid"])
    make_payment(bakery, "other", 5)
    ours, event = encode("pay", bakery.payment(imp_uid).id), encode("evt", bakery.published()[0].id)

    found = [seek(viewer, bakery, q=name) for name in ("order-77", "order-7", imp_uid, ours, event, f"  {imp_uid} ")]

    assert found == [["order-77"]] * 6
    assert seek(viewer, bakery, q="imp_999999999999") == []


def test_the_list_is_narrowed_by_each_filter(bakery: Cast, viewer: Client) -> None:
    """State, method, days of Seoul and amounts each leave out what does not fit, and together, too."""
    make_payment(bakery, "card", 1)
    make_payment(bakery, "bank", 2, status="awaiting_deposit", snapshot={"pay_method": "vbank"})
    make_payment(bakery, "new", 3, snapshot={"pay_method": "moonpay", "amount": 100})
    make_payment(bakery, "next-day", at=NOON + timedelta(hours=12), snapshot={"pay_method": "kakaopay"})

    assert seek(viewer, bakery, status="awaiting_deposit") == ["bank"]
    assert seek(viewer, bakery, method="virtual_account") == ["bank"]
    assert seek(viewer, bakery, method="easy_pay") == ["next-day"]
    assert seek(viewer, bakery, method="unknown") == ["new"]
    assert seek(viewer, bakery, since="2026-11-21") == ["next-day"]
    assert seek(viewer, bakery, until="2026-11-20") == ["new", "bank", "card"]
    assert seek(viewer, bakery, most="100") == ["new"]
    assert seek(viewer, bakery, least="100.5", until="2026-11-20", status="paid") == ["card"]


def test_what_waits_for_a_person_needs_attention(bakery: Cast, viewer: Client) -> None:
    """Open reviews need attention, and money of which the shop has not heard all; nothing else does."""
    make_payment(bakery, "well", 1)
    make_payment(bakery, "open", 2, status="review")
    ended = {"decision": "rejected", "reason": "", "at": NOON.isoformat(), "accepted": []}
    make_payment(bakery, "ended", 3, status="review", resolution=ended, money_moved=False)
    make_payment(bakery, "given-up", 4)
    make_payment(bakery, "heard", 5)
    make_payment(bakery, "waits", 6)
    make_payment(bakery, "unpaid", 7, status="failed", money_moved=False)
    make_payment(bakery, "heard-and-told-again", 8)
    tell(bakery, "given-up", given_up_at=NOON)
    tell(bakery, "heard", delivered_at=NOON, heard_at=NOON)
    tell(bakery, "waits")
    tell(bakery, "unpaid", given_up_at=NOON)
    tell(bakery, "heard-and-told-again", heard_at=NOON)

    assert seek(viewer, bakery, attention="on") == ["waits", "given-up", "open"]


def test_an_earlier_event_that_was_not_heard_needs_attention(bakery: Cast, viewer: Client) -> None:
    """The shop heard the newest news of a payment, but not the one before: somebody should look."""
    make_payment(bakery, "order-1", 1)
    tell(bakery, "order-1", given_up_at=NOON)
    tell(bakery, "order-1", 2, delivered_at=NOON, heard_at=NOON)

    assert seek(viewer, bakery, attention="on") == ["order-1"]


def tell(cast: Cast, order: str, number: int = 1, **ended: datetime) -> None:
    with inside(cast.merchant.schema_name):
        payment = Payment.objects.get(order__merchant_uid=order)
        event = Event.objects.create(
            mode=cast.mode,
            order=payment.order,
            payment=payment,
            sequence=number,
            type="payment.paid",
            created_at=NOON,
            body=b"",
        )
        Delivery.objects.create(event=event, endpoint=Endpoint.objects.get(), created_at=NOON, **ended)
        Payment.objects.filter(id=payment.id).update(told_event=event.id)


@pytest.mark.parametrize(
    "said",
    [{"status": "lost"}, {"since": "yesterday"}, {"least": "-1"}, {"most": "NaN"}, {"q": "x" * 61}, {"q": "a\x00b"}],
)
def test_what_cannot_be_read_is_named(bakery: Cast, viewer: Client, said: dict[str, str]) -> None:
    """A filter that makes no sense is answered 422 with the field's name, in a page and in a part."""
    make_payment(bakery, "order-1", 1)

    for headers in ({}, {"HX-Request": "true"}):
        answer = viewer.get(address(bakery, "payments"), said, headers=headers)

        assert answer.status_code == 422
        assert "alert-error" in answer.content.decode()
        assert orders_on(answer.content) == []


def test_days_and_amounts_the_wrong_way_round_are_named(bakery: Cast, viewer: Client) -> None:
    """A last day before the first one, and a highest amount below the lowest, are errors of their fields."""
    said = {"since": "2026-11-21", "until": "2026-11-20", "least": "2", "most": "1"}

    answer = viewer.get(address(bakery, "payments"), said)

    assert answer.status_code == 422
    assert answer.content.decode().count("<strong>") == 2


def next_page(page: bytes) -> str:
    found = re.search(r'rel="next" href="([^"]+)"', page.decode())
    return unescape(found[1]) if found else ""


def test_pages_go_on_where_they_ended_though_payments_come_in(bakery: Cast, viewer: Client) -> None:
    """What comes in while somebody reads shifts nothing: every older payment is shown once, also of one moment."""
    for number in range(ROWS + 5):
        make_payment(bakery, f"order-{number}", number, at=NOON + timedelta(seconds=number // 10))
    first = viewer.get(address(bakery, "payments"))
    for number in range(100, 103):
        make_payment(bakery, f"order-{number}", number, at=NOON + timedelta(hours=1))

    second = viewer.get(next_page(first.content))

    shown = orders_on(first.content) + orders_on(second.content)
    assert sorted(shown) == sorted(f"order-{number}" for number in range(ROWS + 5))
    assert next_page(second.content) == ""


def test_the_next_page_keeps_the_filter(bakery: Cast, viewer: Client) -> None:
    """Paging goes through what was searched for, and nothing else."""
    for number in range(ROWS + 1):
        make_payment(bakery, f"order-{number}", number)
        make_payment(bakery, f"other-{number}", 1000 + number, status="failed")

    second = viewer.get(next_page(viewer.get(address(bakery, "payments"), {"q": "order-"}).content))

    assert orders_on(second.content) == ["order-0"]


@pytest.mark.parametrize("cursor", ["x", "WyJ4Il0:abc:def", "../../etc", "😀", "eyJhIjoxfQ", "a:b:c:d"])
def test_a_cursor_that_was_changed_is_refused(bakery: Cast, viewer: Client, cursor: str) -> None:
    """A cursor that is not one of ours is answered 400, in a page and in a part, and leads back to what was sought."""
    for headers in ({}, {"HX-Request": "true"}):
        answer = viewer.get(address(bakery, "payments"), {"after": cursor, "q": "order-1"}, headers=headers)

        assert answer.status_code == 400
        assert f'href="{address(bakery, "payments")}?q=order-1"' in answer.content.decode()


def test_a_cursor_is_of_one_merchant_and_mode(bakery: Cast, florist: Cast, viewer: Client, members: Members) -> None:
    """The florist's cursor, though signed by us, opens nothing at the bakery, nor in its test mode."""
    for number in range(ROWS + 1):
        make_payment(florist, f"order-{number}", number)
    cursor = next_page(members(florist.merchant).get(address(florist, "payments")).content).partition("after=")[2]

    for mode in ("live", "test"):
        there = address(bakery, "payments").replace("/live/", f"/{mode}/")
        assert viewer.get(f"{there}?after={cursor}").status_code == 400


def test_htmx_is_given_the_rows_alone(bakery: Cast, viewer: Client) -> None:
    """A search that htmx sends is answered with the part; one that goes back in its history with the page."""
    make_payment(bakery, "order-1", 1)

    part = viewer.get(address(bakery, "payments"), headers={"HX-Request": "true"}).content.decode()
    history = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    whole = viewer.get(address(bakery, "payments"), headers=history).content.decode()

    assert part.strip().startswith('<section id="payments"')
    assert whole.startswith("<!doctype html>")


def test_the_number_of_queries_does_not_grow(bakery: Cast, viewer: Client) -> None:
    """One payment or a full page: as many questions to the database."""
    viewer.get(address(bakery, "payments"))  # from here on the process knows the merchant
    counts = []
    for numbers in (range(1), range(1, ROWS)):
        for number in numbers:
            make_payment(bakery, f"order-{number}", number)
        with CaptureQueriesContext(connection) as asked:
            viewer.get(address(bakery, "payments"))
        counts.append(len([one for one in asked if not one["sql"].startswith("SET ")]))

    assert counts[0] == counts[1]
    assert counts[0] <= 10


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_texts(bakery: Cast, viewer: Client, text: str) -> None:
    """What a stranger wrote into an order's number, a bank's name or the search is shown, and does nothing."""
    make_payment(bakery, text[:40], 1, snapshot={"pay_method": "moonpay", "easy_pay": text, "card": None})

    page = viewer.get(address(bakery, "payments"), {"q": text[:40]}).content.decode()

    assert orders_on(page.encode()) != []
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "<svg/onload" not in page
    assert "49" not in orders_on(page.encode())[0]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " =", "|", "＝", "＠"])
def test_a_file_runs_nothing(bakery: Cast, viewer: Client, start: str) -> None:
    """In the CSV file a text that a spreadsheet would run has an apostrophe before it; amounts stay numbers."""
    order = f"{start}cmd|' /C calc'!A0"
    make_payment(bakery, order, 1, snapshot={"fail_reason": "=HYPERLINK(1)\r\n=2"})

    [row] = read_file(viewer, bakery)

    assert row["order"] == f"'{order}"
    assert row["fail_reason"].startswith("'=")
    assert (row["amount"], row["currency"]) == ("64900", "KRW")
    assert (row["paid_at"], row["paid_kst"]) == ("2026-11-20T03:00:01.000Z", "2026-11-20 12:00:01")


def test_a_file_holds_what_the_search_means(bakery: Cast, florist: Cast, viewer: Client) -> None:
    """The CSV file has every payment of the filter, more than one batch, none of another merchant, and is streamed."""
    for number in range(3):
        make_payment(bakery, f"order-{number}", number, status="failed" if number else "paid")
    make_payment(florist, "order-9", 9)

    answer = viewer.get(address(bakery, "payments_file"), {"status": "failed"})

    assert answer.streaming
    assert "attachment" in answer["Content-Disposition"]
    assert [row["order"] for row in read_file(viewer, bakery, status="failed")] == ["order-2", "order-1"]
    assert len(read_file(viewer, bakery)) == 3


def test_a_file_is_noted_with_what_was_asked_for(bakery: Cast, viewer: Client) -> None:
    """Whoever takes payments along is in the audit log with the filter; a list that is only read is not."""
    make_payment(bakery, "order-1", 1)

    seek(viewer, bakery, status="paid")
    answer = viewer.get(address(bakery, "payments_file"), {"status": "paid", "q": ""})
    content = b"".join(answer.streaming_content)

    [entry] = AuditEntry.objects.filter(action="payments.exported")
    assert (entry.actor, entry.detail) == (
        "viewer@bakery-payments.example",
        {"mode": "live", "filter": "status=paid"},
    )
    assert content.startswith(b"\xef\xbb\xbfpayment,imp_uid,")


def test_a_file_is_whole_or_not_sent(bakery: Cast, viewer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that means more than a file may hold is answered 422 with the way on, and never cut off."""
    for number in range(3):
        make_payment(bakery, f"order-{number}", number)

    monkeypatch.setattr("results.views.dashboard.payment_list.LONGEST_FILE", 2)
    refused = viewer.get(address(bakery, "payments_file"))
    monkeypatch.setattr("results.views.dashboard.payment_list.LONGEST_FILE", 3)

    assert refused.status_code == 422
    assert address(bakery, "payments") in refused.content.decode()
    assert len(read_file(viewer, bakery)) == 3


def test_a_long_file_goes_batch_by_batch(bakery: Cast, viewer: Client) -> None:
    """A file that is longer than a batch misses nothing and repeats nothing; one batch costs two queries."""
    with inside(bakery.merchant.schema_name):
        first = make_payment(bakery, "order-1", 0)
        copies = range(1, ROWS_A_TIME + 3)
        Payment.objects.bulk_create(copy_of(first, number) for number in copies)

    with CaptureQueriesContext(connection) as asked:
        rows = read_file(viewer, bakery)

    assert len({row["payment"] for row in rows}) == len(rows) == ROWS_A_TIME + 3
    assert len([one for one in asked if "results_payment" in one["sql"]]) == 1 + 2  # whether it is too long; batches


def copy_of(payment: Payment, number: int) -> Payment:
    fields = {name: getattr(payment, name) for name in ("mode", "order_id", "status", "snapshot", "judgement")}
    return Payment(imp_uid=f"imp_{number:012}", first_seen_at=NOON + timedelta(seconds=number // 7), **fields)


@pytest.mark.parametrize("name", ["payments", "payments_file"])
def test_strangers_find_no_list(bakery: Cast, florist: Cast, members: Members, name: str) -> None:
    """The florist's owner finds nothing at the bakery's addresses, and whoever is not signed in is asked to."""
    stranger = members(florist.merchant)

    assert stranger.get(address(bakery, name)).status_code == 404
    assert Client().get(address(bakery, name)).status_code == 302
    assert stranger.post(address(bakery, name)).status_code == 404


def test_the_modes_are_two_worlds(bakery: Cast, viewer: Client) -> None:
    """The test mode's list shows nothing of live mode, by whatever name it is sought."""
    payment = make_payment(bakery, "order-1", 1)
    there = address(bakery, "payments").replace("/live/", "/test/")

    for name in ("", "order-1", payment.imp_uid or "", encode("pay", payment.id)):
        assert orders_on(viewer.get(there, {"q": name}).content) == []


@pytest.mark.parametrize("days", ["since=0001-01-01", "until=0001-01-01", "until=9999-12-31"])
def test_days_at_the_end_of_time_are_days(bakery: Cast, viewer: Client, days: str) -> None:
    """A first or last day that no clock reaches narrows the list as it says, and is no fault of ours."""
    answer = viewer.get(f"{address(bakery, 'payments')}?{days}")

    assert answer.status_code == 200


def test_the_trail_takes_no_texts_of_a_viewers_own(bakery: Cast, viewer: Client) -> None:
    """Of an address only what the filter knows is written down, and no more than fits a line or two."""
    viewer.get(f"{address(bakery, 'payments_file')}?status=paid&noise={'x' * 9000}&since={'0' * 300}2026-01-01")
    viewer.get(f"{address(bakery, 'payments_file')}?status=paid&noise={'x' * 9000}")

    [entry] = AuditEntry.objects.filter(action="payments.exported")
    assert entry.detail["filter"] == "status=paid"
