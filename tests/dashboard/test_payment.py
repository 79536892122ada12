"""One payment: its story and its facts, a review, telling again, and what went over the wire."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deploy.demo.mischief import Fault
from deploy.demo.simulator import DEMO_BUYER_NAME
from results.core.figures import KST
from results.core.ids import encode
from results.models import Attempt, Delivery, Endpoint, Event, Notification, Order, Payment, Verification
from tenants.models import AuditEntry, Credential, Duty
from tenants.routing import inside
from tests.dashboard.payment_stage import NOON, Members, address, make_payment, members_of_a_story
from tests.dashboard.test_payments import HOSTILE
from tests.factories import Cast, add_endpoint

Work = Callable[..., None]


@pytest.fixture
def members(database: object) -> Iterator[Members]:
    with members_of_a_story() as members:
        yield members


def is_paid(cast: Cast, run_worker: Work, order: str = "order-1", amount: int = 64900) -> Payment:
    """Let an order be paid and told; with another amount than 64,900 it comes under review."""
    cast.expects(order)
    imp_uid = cast.opens_window(order, amount)
    cast.portone.approve(imp_uid, webhook=False)
    cast.lands(imp_uid=imp_uid, merchant_uid=order, imp_success="true")
    cast.is_called_about(imp_uid, order)
    run_worker(until=lambda: len(cast.told(order)) == 1)
    return cast.payment(imp_uid)


def page_of(client: Client, cast: Cast, payment: Payment) -> str:
    answer = client.get(address(cast, "payment", payment=payment.id))
    assert answer.status_code == 200
    return answer.content.decode()


def only(cast: Cast, model: type[Any]) -> Any:
    [row] = cast.rows(model)
    return row


def test_a_payment_tells_its_story(bakery: Cast, members: Members, run_worker: Work) -> None:
    """Landing, webhook, question with its answer, event with its number and six marks, and each try stand in order."""
    payment = is_paid(bakery, run_worker)

    page = page_of(members(bakery.merchant, "viewer"), bakery, payment)

    story = page.partition('id="story-title"')[2].partition("<aside")[0]
    places = [story.index(f"entry-{kind}") for kind in ("arrival", "question", "event")]
    assert places == sorted(places)
    assert story.count("entry-arrival") == 2
    assert story.count("check-pass") == 6 + 1
    assert "#1" in story
    assert "HTTP 200" in story


def test_the_facts_stand_beside(bakery: Cast, members: Members, run_worker: Work) -> None:
    """Amount, state, checks in words, order, both ids, method and receipt are there at a glance."""
    payment = is_paid(bakery, run_worker)

    facts = page_of(members(bakery.merchant, "viewer"), bakery, payment).partition("<aside")[2]

    for fact in ("₩64,900", "order-1", payment.imp_uid, encode("pay", payment.id), "••••0002", "https://receipt."):
        assert str(fact) in facts
    assert 'href="https://receipt.' not in facts
    assert facts.count("check-pass") == 6


def test_other_payments_of_the_order_are_linked(bakery: Cast, members: Members) -> None:
    """A payment leads to the others of its order, and to none of another order."""
    first, second = make_payment(bakery, "order-1", 1), make_payment(bakery, "order-1", 2, status="failed")
    stranger = make_payment(bakery, "order-2", 3)

    page = page_of(members(bakery.merchant), bakery, first)

    assert address(bakery, "payment", payment=second.id) in page
    assert address(bakery, "payment", payment=stranger.id) not in page


def test_a_review_says_what_differs_and_what_to_do(bakery: Cast, members: Members, run_worker: Work) -> None:
    """A forged amount shows what was expected and what came, that money moved, and the next steps."""
    payment = is_paid(bakery, run_worker, amount=100)

    page = page_of(members(bakery.merchant, "admin"), bakery, payment)

    box = page.partition('id="review-title"')[2].partition("</section>")[0]
    assert "₩64,900" in box
    assert "₩100" in box
    assert box.count("<li>") >= 3
    assert address(bakery, "payment_review", payment=payment.id) in box


def test_a_payment_that_came_twice_leads_to_the_other(bakery: Cast, members: Members, run_worker: Work) -> None:
    """The box of a duplicate shows the payment that counts, so that a member can compare the two."""
    imp_uid = bakery.opens_window("order-1")
    first = is_paid(bakery, run_worker)
    bakery.portone.approve(imp_uid, webhook=False)
    bakery.is_called_about(imp_uid, "order-1")
    run_worker(until=lambda: len(bakery.told("order-1")) == 2)

    page = page_of(members(bakery.merchant), bakery, bakery.payment(imp_uid))

    box = page.partition('id="review-title"')[2].partition("</section>")[0]
    assert f'href="{address(bakery, "payment", payment=first.id)}"' in box


@pytest.mark.parametrize(("decision", "status"), [("accepted", "paid"), ("rejected", "review")])
def test_an_admin_ends_a_review(bakery: Cast, members: Members, run_worker: Work, decision: str, status: str) -> None:
    """Accepted or rejected with a reason, a review ends once; the audit log names who did it."""
    payment, admin = is_paid(bakery, run_worker, amount=100), members(bakery.merchant, "admin")
    there = address(bakery, "payment_review", payment=payment.id)

    answers = [admin.post(there, {"decision": decision, "reason": "paid the rest in cash"}) for _ in range(2)]

    page = page_of(admin, bakery, payment)
    assert [answer["Location"] for answer in answers] == [address(bakery, "payment", payment=payment.id)] * 2
    assert bakery.payment(payment.imp_uid).status == status
    assert "paid the rest in cash" in page
    assert "review-title" not in page
    entry = AuditEntry.objects.get(action="review.resolved")
    assert (entry.actor, entry.detail["decision"]) == ("admin@bakery-payments.example", decision)


@pytest.mark.parametrize(
    "said",
    [
        {"decision": "accepted"},
        {"decision": "accepted", "reason": "  "},
        {"decision": "maybe", "reason": "because"},
        {"decision": "accepted", "reason": "x" * 301},
    ],
)
def test_a_review_needs_a_decision_and_a_reason(
    bakery: Cast, members: Members, run_worker: Work, said: dict[str, str]
) -> None:
    """Without both nothing is decided, and the page says what is missing."""
    payment = is_paid(bakery, run_worker, amount=100)

    answer = members(bakery.merchant, "admin").post(address(bakery, "payment_review", payment=payment.id), said)

    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
    assert bakery.payment(payment.imp_uid).status == "review"


def test_a_developer_tells_one_event_again(bakery: Cast, members: Members, run_worker: Work, do_jobs: Work) -> None:
    """What failed is sent again at a click: the same event, marked as a replay, and noted with its actor."""
    bakery.shop.faults.add(Fault(kind="status", status=500, times=1))
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.approve(imp_uid, webhook=False)
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()
    payment, event = bakery.payment(imp_uid), only(bakery, Event)
    # A try that is due within a lease may be under way, and is waited for; this one is an hour away.
    Duty.objects.filter(merchant=bakery.merchant.id).update(due_at=datetime.now(UTC) + timedelta(hours=1))
    developer = members(bakery.merchant, "developer")

    answer = developer.post(address(bakery, "payment_replay", payment=payment.id, event=event.id))
    do_jobs()
    run_worker()

    page = page_of(developer, bakery, payment)
    assert answer.status_code == 302
    assert "HTTP 500" in page
    assert "HTTP 200" in page
    assert AuditEntry.objects.get(action="replay.begun").actor == "developer@bakery-payments.example"


def test_one_endpoint_of_two_is_told_again(bakery: Cast, members: Members, run_worker: Work, do_jobs: Work) -> None:
    """Each event can be sent again to all endpoints or to one; the others hear nothing, a stranger's is not there."""
    first = only(bakery, Endpoint)
    add_endpoint(bakery, f"{first.url}?to=second")
    payment = is_paid(bakery, run_worker)
    [second] = [one for one in bakery.rows(Endpoint) if one.id != first.id]
    event, developer = only(bakery, Event), members(bakery.merchant, "developer")
    there, name = address(bakery, "payment_replay", payment=payment.id, event=event.id), encode("end", second.id)

    page = page_of(developer, bakery, payment)
    answers = [developer.post(there, {"endpoint": one}) for one in (name, encode("end", event.id), "x")]
    do_jobs()
    run_worker()

    assert f'name="endpoint" value="{name}"' in page
    assert [answer.status_code for answer in answers] == [302, 404, 404]
    with inside(bakery.merchant.schema_name):
        again = Attempt.objects.filter(trigger="replay").values_list("delivery__endpoint", flat=True)
        assert list(again) == [second.id]


def test_a_developer_asks_portone_again(bakery: Cast, members: Members, run_worker: Work) -> None:
    """A click makes the question due: what was cancelled without a webhook is known then, and who asked is noted."""
    payment = is_paid(bakery, run_worker)
    bakery.portone.cancel(payment.imp_uid, webhook=False)
    developer = members(bakery.merchant, "developer")

    answers = [developer.post(address(bakery, "payment_ask", payment=payment.id)) for _ in range(2)]
    run_worker()

    assert [answer["Location"] for answer in answers] == [address(bakery, "payment", payment=payment.id)] * 2
    assert bakery.payment(payment.imp_uid).status == "cancelled"
    assert len(bakery.rows(Verification)) == 2
    assert set(AuditEntry.objects.filter(action="payment.asked").values_list("actor", flat=True)) == {
        "developer@bakery-payments.example"
    }


def test_asking_with_refused_keys_says_whose_move_it_is(bakery: Cast, members: Members) -> None:
    """While PortOne refuses the keys a question waits, and the page says so."""
    payment = make_payment(bakery, "order-1", 1)
    Credential.objects.filter(merchant=bakery.merchant).update(refused_at=datetime.now(UTC))

    there = address(bakery, "payment_ask", payment=payment.id)
    page = members(bakery.merchant).post(there, follow=True, headers={"accept-language": "en"}).content.decode()

    assert "PortOne refuses your keys" in page


def test_what_portone_has_no_number_for_cannot_be_asked(bakery: Cast, members: Members) -> None:
    """A payment known from a claim only has no button, and its address is not there."""
    payment, owner = make_payment(bakery, "order-1", 1, imp_uid=None), members(bakery.merchant)
    there = address(bakery, "payment_ask", payment=payment.id)

    assert there not in page_of(owner, bakery, payment)
    assert owner.post(there).status_code == 404


@pytest.mark.parametrize(
    ("endpoint", "is_owed", "said"),
    [
        ({"paused_at": NOON}, False, "The endpoint is paused."),
        ({"disabled_at": NOON}, False, "The endpoint is switched off."),
        ({"opened_at": NOON, "failing_since": NOON}, False, "The endpoint keeps failing."),
        ({}, False, "No further try is planned."),
        ({}, True, "Next try"),
    ],
)
def test_a_delivery_says_why_it_waits(
    bakery: Cast, members: Members, run_worker: Work, endpoint: dict[str, Any], is_owed: bool, said: str
) -> None:
    """What is not told yet says what it waits for, one of five reasons, and never two."""
    payment = is_paid(bakery, run_worker)
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(**endpoint)
        Delivery.objects.update(delivered_at=None, heard_at=None)
        delivery = Delivery.objects.get()
    if is_owed:
        Duty.objects.create(
            kind="redeliver",
            merchant=bakery.merchant.id,
            mode=bakery.mode,
            lane=delivery.endpoint_id,
            reference=delivery.id,
            due_at=datetime.now(UTC) + timedelta(hours=1),
        )

    page = members(bakery.merchant).get(
        address(bakery, "payment", payment=payment.id), headers={"accept-language": "en"}
    )

    story = page.content.decode().partition('id="story-title"')[2].partition("What comes next")[0]
    reasons = ("is paused", "is switched off", "keeps failing", "No further try", "Next try")
    assert said in story
    assert len([reason for reason in reasons if reason in story]) == 1


def test_a_later_event_waits_for_the_one_before(bakery: Cast, members: Members, run_worker: Work) -> None:
    """News that has not been tried says which earlier event it follows."""
    payment, first = is_paid(bakery, run_worker), only(bakery, Event)
    with inside(bakery.merchant.schema_name):
        Delivery.objects.update(delivered_at=None, heard_at=None)
        words = {"mode": bakery.mode, "payment": payment, "type": "payment.cancelled", "created_at": NOON}
        second = Event.objects.create(order_id=first.order_id, sequence=2, body=first.body, **words)
        later = Delivery.objects.create(event=second, endpoint=Endpoint.objects.get(), created_at=NOON)
    Duty.objects.create(
        kind="deliver",
        merchant=bakery.merchant.id,
        mode=bakery.mode,
        lane=later.endpoint_id,
        reference=later.id,
        due_at=datetime.now(UTC),
    )

    page = members(bakery.merchant).get(
        address(bakery, "payment", payment=payment.id), headers={"accept-language": "en"}
    )

    assert "It waits a moment for event #1" in page.content.decode()


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://npg.nicepay.co.kr/issue/IssueLoader.do?TID=1&type=0", True),
        ("https://evil.example/?nicepay.co.kr", False),
        ("http://npg.nicepay.co.kr/", False),
    ],
)
def test_a_receipt_is_linked_where_we_know_the_server(bakery: Cast, members: Members, url: str, is_link: bool) -> None:
    """A receipt opens at a payment company's own host; anything else leads nowhere."""
    payment = make_payment(bakery, "order-1", 1, snapshot={"receipt_url": url})

    page = unescape(page_of(members(bakery.merchant), bakery, payment))

    assert (f'href="{url}"' in page) == is_link


def test_an_event_that_nobody_hears_is_not_sent_again(bakery: Cast, members: Members, run_worker: Work) -> None:
    """Where no endpoint listens nothing is begun, and the page says what to do."""
    payment = is_paid(bakery, run_worker)
    [event] = bakery.published()
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(events=["account.*"])
    developer = members(bakery.merchant, "developer")

    answer = developer.post(address(bakery, "payment_replay", payment=payment.id, event=event.id), follow=True)

    assert answer.status_code == 200
    assert not AuditEntry.objects.filter(action="replay.begun").exists()


def test_only_an_event_of_the_payment_is_told_again(bakery: Cast, members: Members, run_worker: Work) -> None:
    """An event of another order is no event of this payment."""
    payment = is_paid(bakery, run_worker)
    [event] = bakery.published()
    other = make_payment(bakery, "order-2", 2)

    answer = members(bakery.merchant).post(address(bakery, "payment_replay", payment=other.id, event=event.id))

    assert (answer.status_code, payment.id != other.id) == (404, True)


def test_many_tries_are_folded(bakery: Cast, members: Members, run_worker: Work) -> None:
    """Of thirty tries the last five are seen at once, the others in a fold; a try of another day says its day."""
    payment = is_paid(bakery, run_worker)
    with inside(bakery.merchant.schema_name):
        began, delivery = Attempt.objects.get().started_at, Delivery.objects.get()
        Attempt.objects.bulk_create(
            Attempt(delivery=delivery, number=2 + n, started_at=began + timedelta(days=n), duration_ms=9, body=b"")
            for n in range(29)
        )

    page = page_of(members(bakery.merchant), bakery, payment)

    before, _, fold = page.partition("이전 시도 25번")
    assert before.count('class="attempt"') == 0
    assert fold.count('class="attempt"') == 30
    last = (began + timedelta(days=28)).astimezone(KST)
    assert f"{last.month}월 {last.day}일 {last:%H:%M:%S}" in fold


def test_an_attempt_shows_request_and_answer(bakery: Cast, members: Members, run_worker: Work) -> None:
    """Headers and body that were sent and what came back are shown; no signature and nothing of the merchant's own."""
    with inside(bakery.merchant.schema_name):
        payment = is_paid(bakery, run_worker)
        attempt = only(bakery, Attempt)
        Attempt.objects.update(body=b"<b>no</b>\x00\x1b[31m \xff", truncated=True)
    there = address(bakery, "payment_attempt", payment=payment.id, attempt=attempt.id)
    viewer = members(bakery.merchant, "viewer")

    whole = viewer.get(there).content.decode()
    part = viewer.get(there, headers={"HX-Request": "true"}).content.decode()

    for page in (whole, part):
        assert "webhook-id: evt_" in page
        assert "webhook-signature: •••" in page
        assert "&lt;b&gt;no&lt;/b&gt;" in page
        assert "\x1b" not in page
        assert "/callback" not in page
        assert "payment.paid" in page
    assert not part.strip().startswith("<!doctype")


def test_raw_parts_are_opened_masked_and_noted(bakery: Cast, members: Members, run_worker: Work) -> None:
    """An admin sees what came and what PortOne answered without the buyer; each opening is in the audit log."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1", buyer_name=DEMO_BUYER_NAME)
    bakery.portone.approve(imp_uid, webhook=False)
    bakery.is_called_about(imp_uid, "order-1", buyer_name="of-the-buyer", buyer_tel="010-1234-5678")
    run_worker()
    payment, admin = bakery.payment(imp_uid), members(bakery.merchant, "admin")
    rows = {"payment_arrival": only(bakery, Notification).id, "payment_answer": only(bakery, Verification).id}

    pages = [admin.post(address(bakery, name, payment=payment.id, row=row)) for name, row in rows.items()]

    for page in pages:
        assert page.status_code == 200
        text = page.content.decode()
        assert imp_uid in text
        for hidden in ("of-the-buyer", "1234-5678", DEMO_BUYER_NAME, "400000******0002"):
            assert hidden not in text
    entries = AuditEntry.objects.filter(action="raw.opened").order_by("at")
    assert [entry.detail["kind"] for entry in entries] == ["arrival", "answer"]
    assert {entry.subject for entry in entries} == {encode("pay", payment.id)}


def test_a_raw_part_of_another_payment_is_not_opened(bakery: Cast, members: Members, run_worker: Work) -> None:
    """What arrived about one payment cannot be opened in the name of another, and nothing is noted then."""
    payment = is_paid(bakery, run_worker)
    other = make_payment(bakery, "order-2", 2)
    arrival = bakery.notifications()[0]

    answer = members(bakery.merchant).post(address(bakery, "payment_arrival", payment=other.id, row=arrival.id))

    assert (answer.status_code, payment.id != other.id) == (404, True)
    assert not AuditEntry.objects.filter(action="raw.opened").exists()


def addresses(cast: Cast, payment: Payment) -> dict[str, str]:
    """Return every address of a payment, with rows of the story where one is named."""
    words: dict[str, dict[str, Any]] = {
        "payment": {},
        "payment_review": {},
        "payment_ask": {},
        "payment_replay": {"event": cast.published()[0].id},
        "payment_attempt": {"attempt": cast.rows(Attempt)[0].id},
        "payment_arrival": {"row": cast.notifications()[0].id},
        "payment_answer": {"row": cast.rows(Verification)[0].id},
    }
    return {name: address(cast, name, payment=payment.id, **more) for name, more in words.items()}


def test_strangers_find_no_payment(bakery: Cast, florist: Cast, members: Members, run_worker: Work) -> None:
    """The florist's owner finds nothing at any address of the bakery's, nor the bakery's rows at her own."""
    payment, stranger = is_paid(bakery, run_worker), members(florist.merchant)
    there = addresses(bakery, payment).values()
    own = [path.replace(encode("mer", bakery.merchant.id), encode("mer", florist.merchant.id)) for path in there]

    for path in [*there, *own]:
        assert stranger.get(path).status_code in (404, 405)
        assert stranger.post(path).status_code in (404, 405)
    assert {stranger.get(path).status_code for path in there} == {404}
    assert {stranger.post(path).status_code for path in there} == {404}
    assert {Client().get(path).status_code for path in there} == {302}


def test_the_other_mode_knows_nothing_of_it(bakery: Cast, members: Members, run_worker: Work) -> None:
    """Live mode's payment has no page in test mode, for the owner neither."""
    payment, owner = is_paid(bakery, run_worker), members(bakery.merchant)

    for path in addresses(bakery, payment).values():
        there = path.replace("/live/", "/test/")
        assert {owner.get(there).status_code, owner.post(there).status_code} <= {404, 405}


@pytest.mark.parametrize(("role", "allowed"), [("viewer", ()), ("developer", ("payment_ask", "payment_replay"))])
def test_a_role_does_what_it_may(
    bakery: Cast, members: Members, run_worker: Work, role: str, allowed: tuple[str, ...]
) -> None:
    """A viewer changes nothing and is offered nothing that changes; a developer tells again and no more."""
    payment, member = is_paid(bakery, run_worker, amount=100), members(bakery.merchant, role)
    said = {"decision": "accepted", "reason": "because"}
    deeds = ("payment_review", "payment_ask", "payment_replay", "payment_arrival", "payment_answer")

    page = page_of(member, bakery, payment)
    refused = [name for name in deeds if member.post(addresses(bakery, payment)[name], said).status_code == 403]

    assert refused == [name for name in deeds if name not in allowed]
    assert [name for name in deeds if addresses(bakery, payment)[name] in page] == list(allowed)
    assert bakery.payment(payment.imp_uid).status == "review"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_texts(bakery: Cast, members: Members, text: str) -> None:
    """A stranger's order number, receipt, reasons and names are shown as text, and lead nowhere."""
    said = {"fail_reason": text, "receipt_url": text, "pg": text, "pg_transaction_id": text, "easy_pay": text}
    payment = make_payment(bakery, text[:40], 1, snapshot=said)
    bakery.is_called_about(payment.imp_uid or "", text[:40], text[:32])
    with inside(bakery.merchant.schema_name):
        Order.objects.update(name=text)
        Endpoint.objects.update(url=f"https://{text}/callback", description=text)
        event = Event.objects.create(
            mode=bakery.mode,
            order=payment.order,
            payment=payment,
            sequence=1,
            type=f"payment.{text}"[:48],
            created_at=NOON,
            body=json.dumps({"id": encode("evt", payment.id), "data": {}, "cause": text}).encode(),
        )
        Delivery.objects.create(event=event, endpoint=Endpoint.objects.get(), created_at=NOON)

    page = page_of(members(bakery.merchant), bakery, payment)

    for run in ("<script>alert", "<img", "<svg/onload", 'href="javascript:', "49{"):
        assert run not in page


def test_the_number_of_queries_does_not_grow(bakery: Cast, members: Members, run_worker: Work) -> None:
    """A long story takes as many questions to the database as a short one."""
    payment, owner = is_paid(bakery, run_worker), members(bakery.merchant)
    page_of(owner, bakery, payment)  # from here on the process knows the merchant
    counts = []
    for round_ in range(2):
        with CaptureQueriesContext(connection) as asked:
            page_of(owner, bakery, payment)
        counts.append(len([one for one in asked if not one["sql"].startswith("SET ")]))
        for number in range(5):
            make_payment(bakery, "order-1", 100 + 10 * round_ + number)
            bakery.is_called_about(payment.imp_uid or "", "order-1", f"status-{number}")

    assert counts[0] == counts[1]
    assert counts[0] <= 20


def test_a_payment_known_from_a_claim_has_a_page(bakery: Cast, members: Members, run_worker: Work) -> None:
    """What only the browser said is shown as that, with no check made."""
    bakery.expects("order-1")
    said = {"imp_success": "false", "error_msg": "<script>alert(1)</script>"}
    bakery.lands(imp_uid="imp_999999999999", merchant_uid="order-1", **said)
    run_worker(until=lambda: bakery.told() != [])

    page = page_of(members(bakery.merchant), bakery, bakery.payment(None))

    assert page.partition("<aside")[2].count("check-skipped") == 6
    assert "<script>alert" not in page
    assert "₩64,900" in page
