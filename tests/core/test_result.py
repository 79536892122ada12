"""The shape promised to merchants: every field, its place and its kind, and nothing personal."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deploy.demo.simulator import Simulator
from results.core.classify import Expected, Surroundings, classify
from results.core.failures import classify_failure
from results.core.method import describe_account, describe_card, mask_card, method_type
from results.core.money import Money
from results.core.result import (
    OrderView,
    PaymentView,
    Previous,
    Result,
    freeze,
    view_claim,
    view_judgement,
    written_time,
)
from results.core.snapshot import Card, Snapshot, VirtualAccount
from results.core.words import (
    DEFAULT_EVENTS,
    Cause,
    EventType,
    Flag,
    MethodType,
    OrderStatus,
    PaymentStatus,
    hears,
)
from tests.core.payments import BY_PORTONE, parsed

EVENT_ID, PAYMENT_ID = "evt_01KAFAKE0EVENT0ABCDEFGHJKM", "pay_01KAFAKE0PAYMENT0ABCDEFGHJ"
MERCHANT_ID = "mer_01KAFAKE0BAKERY0ABCDEFGHJK"
STARTED = datetime(2026, 11, 20, 4, 58, 11, tzinfo=UTC)
SEEN = datetime(2026, 11, 20, 4, 58, 41, 532_000, tzinfo=UTC)
ASKED = datetime(2026, 11, 20, 5, 12, 44, 102_000, tzinfo=UTC)
TOLD = datetime(2026, 11, 20, 5, 12, 44, 318_999, tzinfo=UTC)
DEPOSITED = Snapshot(
    imp_uid="imp_448280090638",
    merchant_uid="payment-39ecfa97",
    status="paid",
    amount=Decimal(64900),
    cancel_amount=Decimal(0),
    currency="KRW",
    sandbox=False,
    asked_at=ASKED,
    pay_method="vbank",
    channel="mobile",
    pg="nice_v2",
    pg_merchant_id="nictest04m",
    pg_transaction_id="nictest04m03012611200512",
    started_at=STARTED,
    paid_at=datetime(2026, 11, 20, 5, 12, 40, tzinfo=UTC),
    receipt_url="https://receipt.example.com/1",
    virtual_account=VirtualAccount(
        bank_code="088",
        bank_name="신한은행",
        number="562-111-05948400",
        holder="주식회사 예시",
        issued_at=datetime(2026, 11, 20, 4, 58, 40, tzinfo=UTC),
        expires_at=datetime(2026, 11, 21, 14, 59, 59, tzinfo=UTC),
    ),
)
CARD = Card("381", "KB국민카드", "361", "BC카드", "400000******0002", "0", 3, "30001234")
AROUND = Surroundings(
    livemode=True,
    strict=False,
    expected=Expected(Money(64900, "KRW", 0), "orders_api", SEEN - timedelta(seconds=39, milliseconds=422)),
    named_by_claim=True,
    already_paid=False,
    grace=timedelta(minutes=10),
)
ORDER = OrderView("payment-39ecfa97", OrderStatus.PAID, (), AROUND.expected, {"cart": "c-981"})


def view(snapshot: Snapshot, around: Surroundings = AROUND) -> PaymentView:
    judgement = classify(snapshot, around, at=TOLD)
    return view_judgement(judgement, snapshot, id=PAYMENT_ID, version=2, first_seen_at=SEEN)


def result(payment: PaymentView, **fields: Any) -> Result:
    """Return the second event of an order whose payment has this state."""
    first: dict[str, Any] = {
        "id": EVENT_ID,
        "type": EventType.PAID,
        "created_at": TOLD,
        "livemode": True,
        "merchant": MERCHANT_ID,
        "sequence": 2,
        "previous": Previous(PaymentStatus.AWAITING_DEPOSIT, 1, 0),
        "cause": Cause.DEPOSIT,
        "late": False,
        "supersedes": None,
        "order": ORDER,
        "payment": payment,
        "link": f"https://pay.example.test/api/v1/payments/{PAYMENT_ID}",
    }
    return Result(**first | fields)


def sent(payment: PaymentView, **fields: Any) -> dict[str, Any]:
    """Return what a merchant reads from the frozen bytes."""
    read: dict[str, Any] = json.loads(freeze(result(payment, **fields).envelope()))
    return read


def payment_of(snapshot: Snapshot) -> dict[str, Any]:
    read: dict[str, Any] = sent(view(snapshot))["data"]["payment"]
    return read


DEPOSIT_EVENT = """
{
  "id": "evt_01KAFAKE0EVENT0ABCDEFGHJKM",
  "object": "event",
  "spec": "2026-12-01",
  "type": "payment.paid",
  "created_at": "2026-11-20T05:12:44.318Z",
  "livemode": true,
  "merchant": "mer_01KAFAKE0BAKERY0ABCDEFGHJK",
  "sequence": 2,
  "previous": {"status": "awaiting_deposit", "version": 1, "cancelled": 0},
  "cause": "virtual_account_deposit",
  "late": false,
  "supersedes": null,
  "data": {
    "order": {
      "id": "payment-39ecfa97",
      "status": "paid",
      "flags": [],
      "expected": {
        "amount": 64900,
        "currency": "KRW",
        "exponent": 0,
        "source": "orders_api",
        "registered_at": "2026-11-20T04:58:02.110Z"
      }
    },
    "payment": {
      "id": "pay_01KAFAKE0PAYMENT0ABCDEFGHJ",
      "version": 2,
      "status": "paid",
      "money_moved": true,
      "final": false,
      "amount": {
        "currency": "KRW",
        "exponent": 0,
        "total": 64900,
        "captured": 64900,
        "cancelled": 0,
        "balance": 64900
      },
      "verification": {
        "result": "matched",
        "checks": {
          "account": "pass",
          "order": "pass",
          "amount": "pass",
          "currency": "pass",
          "livemode": "pass",
          "uniqueness": "pass"
        },
        "mismatches": [],
        "observed_at": "2026-11-20T05:12:44.102Z"
      },
      "provider": {
        "name": "portone_v1",
        "imp_uid": "imp_448280090638",
        "merchant_uid": "payment-39ecfa97",
        "status": "paid",
        "pg": "nice_v2",
        "pg_merchant_id": "nictest04m",
        "pg_transaction_id": "nictest04m03012611200512",
        "channel": "mobile",
        "sandbox": false
      },
      "method": {
        "type": "virtual_account",
        "raw": "vbank",
        "easy_pay": null,
        "virtual_account": {
          "bank_code": "088",
          "bank_name": "신한은행",
          "number": "56211105948400",
          "holder": "주식회사 예시",
          "issued_at": "2026-11-20T04:58:40.000Z",
          "expires_at": "2026-11-21T14:59:59.000Z",
          "depositor": null
        }
      },
      "failure": null,
      "resolution": null,
      "cancellations": [],
      "times": {
        "started_at": "2026-11-20T04:58:11.000Z",
        "paid_at": "2026-11-20T05:12:40.000Z",
        "failed_at": null,
        "cancelled_at": null,
        "first_seen_at": "2026-11-20T04:58:41.532Z"
      },
      "receipt_url": "https://receipt.example.com/1",
      "metadata": {"cart": "c-981"},
      "customer": null
    }
  },
  "links": {"payment": "https://pay.example.test/api/v1/payments/pay_01KAFAKE0PAYMENT0ABCDEFGHJ"}
}
"""


def test_a_deposit_has_every_promised_field_in_its_place() -> None:
    """The event of a deposit into a virtual account is the documented one, field by field and in order."""
    read = sent(view(DEPOSITED))

    assert json.dumps(read, indent=1) == json.dumps(json.loads(DEPOSIT_EVENT), indent=1)


def test_a_card_is_described_with_its_issuer() -> None:
    """A card shows its issuer, six digits in front, four behind, its kind, months and approval number."""
    method = payment_of(replace(DEPOSITED, pay_method="card", virtual_account=None, card=CARD))["method"]

    assert list(method.items())[:3] == [("type", "card"), ("raw", "card"), ("easy_pay", None)]
    assert list(method["card"].items()) == [
        ("issuer_code", "361"),
        ("issuer_name", "BC카드"),
        ("bin6", "400000"),
        ("last4", "0002"),
        ("masked", "400000******0002"),
        ("kind", "credit"),
        ("installments", 3),
        ("approval_number", "30001234"),
    ]
    assert "virtual_account" not in method


@pytest.mark.parametrize(("kind", "said"), [("0", "credit"), ("1", "check"), ("", "unknown"), ("9", "unknown")])
def test_kinds_of_cards(kind: str, said: str) -> None:
    """PortOne's 0 is a credit card and 1 a check card; anything else stays unknown."""
    assert describe_card(replace(CARD, kind=kind))["kind"] == said


def test_a_card_without_an_issuer_shows_the_card_company() -> None:
    """Old PGs name only the card company: then it stands for the issuer."""
    described = describe_card(replace(CARD, issuer_code=None, issuer_name=None))

    assert (described["issuer_code"], described["issuer_name"]) == ("381", "KB국민카드")


@pytest.mark.parametrize(
    ("number", "masked", "bin6", "last4"),
    [
        ("4000001234560002", "400000******0002", "400000", "0002"),
        ("4000-0012-3456-0002", "400000******0002", "400000", "0002"),
        ("400000xxxxxx0002", "400000******0002", "400000", "0002"),
        ("4000********0002", "4000********0002", None, "0002"),
        ("400000*********", "400000*********", "400000", None),
        ("4000000002", "**********", None, None),
        ("1", "*", None, None),
        ("", None, None, None),
        (None, None, None, None),
        ("●●●●", None, None, None),
    ],
)
def test_cards_are_masked_again(number: str | None, masked: str | None, bin6: str | None, last4: str | None) -> None:
    """Whatever a PG sends, at most six digits in front and four behind are shown; too short shows none."""
    described = describe_card(replace(CARD, number=number))

    assert (described["masked"], described["bin6"], described["last4"]) == (masked, bin6, last4)


@given(st.text("0123456789*xX- ●٣", max_size=40))
def test_no_card_number_is_ever_shown(number: str) -> None:
    """No text of a PG gets more than six and four digits past the mask, and the middle is always hidden."""
    masked = mask_card(number) or ""

    assert re.fullmatch(r"[0-9*]{0,6}\**[0-9*]{0,4}", masked)
    assert sum(character.isdigit() for character in masked) <= 10
    assert "*" in masked or not masked


def test_an_account_number_has_no_dashes() -> None:
    """A customer types digits into a bank's page, so dashes are taken out."""
    assert DEPOSITED.virtual_account is not None
    assert describe_account(DEPOSITED.virtual_account)["number"] == "56211105948400"


@pytest.mark.parametrize(
    ("raw", "type_"),
    [
        ("card", MethodType.CARD),
        ("trans", MethodType.BANK_TRANSFER),
        ("vbank", MethodType.VIRTUAL_ACCOUNT),
        ("phone", MethodType.PHONE),
        ("kakaopay", MethodType.EASY_PAY),
        ("point", MethodType.POINT),
        ("cultureland", MethodType.GIFT),
        ("paypal", MethodType.OVERSEAS_WALLET),
        ("brand_new", MethodType.UNKNOWN),
        (None, MethodType.UNKNOWN),
    ],
)
def test_method_types(raw: str | None, type_: MethodType) -> None:
    """Each way to pay has one of nine names; one that we do not know stays unknown and keeps its raw name."""
    assert method_type(raw) == type_
    assert payment_of(replace(DEPOSITED, pay_method=raw))["method"]["raw"] == raw


def test_a_claimed_payment_shows_that_nothing_is_known() -> None:
    """A redirect's own words make a payment without amount, method, provider status or checks."""
    failure = classify_failure(pg=None, code="PAY_PROCESS_CANCELED", message="취소", source="redirect")
    claimed = view_claim(failure, id=PAYMENT_ID, version=1, first_seen_at=SEEN)

    payment = sent(claimed, type=EventType.ABANDONED, previous=None)["data"]["payment"]

    assert list(payment) == list(json.loads(DEPOSIT_EVENT)["data"]["payment"])
    assert (payment["status"], payment["money_moved"], payment["final"]) == ("failed", False, False)
    assert payment["verification"] == {
        "result": "claimed",
        "checks": dict.fromkeys(("account", "order", "amount", "currency", "livemode", "uniqueness"), "skipped"),
        "mismatches": [],
        "observed_at": None,
    }
    assert payment["provider"] == dict.fromkeys(json.loads(DEPOSIT_EVENT)["data"]["payment"]["provider"]) | {
        "name": "portone_v1",
        "merchant_uid": "payment-39ecfa97",
    }
    assert (payment["amount"], payment["method"], payment["receipt_url"]) == (None, None, None)
    assert payment["failure"] == {
        "code": "user_cancelled",
        "category": "customer",
        "retryable": True,
        "customer_action": "retry",
        "confidence": payment["failure"]["confidence"],
        "raw": {"source": "redirect", "code": "PAY_PROCESS_CANCELED", "message": "취소"},
    }


def test_a_mismatch_names_field_expected_and_actual() -> None:
    """A merchant's code can compare what was expected with what is so."""
    payment = payment_of(replace(DEPOSITED, amount=Decimal(100)))

    assert payment["verification"]["mismatches"] == [{"field": "amount", "expected": 64900, "actual": 100}]


def test_an_unregistered_order_expects_nothing() -> None:
    """Without a registered order `expected` is null, and flags are a sorted list."""
    order = replace(ORDER, expected=None, flags=(Flag.REVIEW, Flag.DUPLICATE_PAYMENT))

    read = sent(view(DEPOSITED), order=order)["data"]["order"]

    assert list(read) == ["id", "status", "flags", "expected"]
    assert read["expected"] is None
    assert read["flags"] == ["duplicate_payment", "review"]


def test_cancellations_are_listed_in_minor_units() -> None:
    """Each cancellation has an id, an integer amount, its reason and its time."""
    sim = Simulator()
    sim.add_account("bakery", "not-a-secret")
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount="14.2", currency="USD")
    sim.approve(imp_uid)
    sim.cancel(imp_uid, amount="4.15", reason="부분 취소")
    snapshot = parsed(json.loads(json.dumps(sim.payment(imp_uid).as_json()), parse_float=Decimal), asked_at=ASKED)
    assert snapshot is not None

    payment = payment_of(snapshot)

    (entry,) = payment["cancellations"]
    assert list(entry) == ["id", "amount", "reason", "pg_transaction_id", "cancelled_at", "receipt_url"]
    assert (entry["amount"], entry["reason"], entry["receipt_url"]) == (415, "부분 취소", None)
    assert payment["amount"]["cancelled"] == 415
    assert payment["amount"]["balance"] == 1005


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, None),
        (datetime(2026, 11, 20, 5, 12, 44, 999_999, tzinfo=UTC), "2026-11-20T05:12:44.999Z"),
        (datetime(2026, 11, 20, tzinfo=UTC), "2026-11-20T00:00:00.000Z"),
        (datetime.fromisoformat("2026-11-20T09:00:00+09:00"), "2026-11-20T00:00:00.000Z"),
    ],
)
def test_times_are_utc_with_milliseconds(moment: datetime | None, text: str | None) -> None:
    """Times are RFC 3339 in UTC with milliseconds and Z; what never happened is null."""
    assert written_time(moment) == text


def test_frozen_bytes_stay_the_same() -> None:
    """The same event is the same bytes, compact UTF-8 with Korean written out."""
    body = freeze(result(view(DEPOSITED)).envelope())

    assert body == freeze(result(view(DEPOSITED)).envelope())
    assert "신한은행".encode() in body
    assert b'": ' not in body
    assert b"\n" not in body


@given(BY_PORTONE)
def test_whatever_portone_says_is_valid_json_of_whole_numbers(payment: dict[str, Any]) -> None:
    """Any payment that can be read makes valid UTF-8 JSON without a float, and never a 0 for a time."""
    snapshot = parsed(payment, asked_at=ASKED)
    assume(snapshot is not None)
    assert snapshot is not None

    body = freeze(result(view(snapshot)).envelope())

    read = json.loads(body.decode(), parse_float=refuse, parse_constant=refuse)["data"]["payment"]
    assert all(value is None or value.endswith("Z") for value in read["times"].values())
    assert all(type(value) is int for name, value in (read["amount"] or {}).items() if name != "currency")
    assert all(type(entry["amount"]) in (int, type(None)) for entry in read["cancellations"])


def refuse(text: str) -> None:
    raise AssertionError(f"{text} is no whole number")


@pytest.mark.parametrize("story", ["card", "account", "failed"])
def test_nothing_about_the_buyer_is_kept_or_told(story: str) -> None:
    """A buyer's name, mail, number, address and device reach neither the snapshot nor the event."""
    sim = Simulator()
    sim.add_account("bakery", "not-a-secret")
    buyer = {
        "buyer_name": "구매자이름",
        "buyer_email": "private@example.com",
        "buyer_tel": "010-0000-1234",
        "buyer_addr": "비밀주소",
        "buyer_postcode": "06018",
        "user_agent": "SecretBrowser/1.0",
        "custom_data": json.dumps({"note": "비밀메모"}),
        "customer_uid": "customer-77",
        "deposit_history": [{"depositor_name": "입금자이름", "amount": 1, "pg_tid": "t", "deposited_at": 1}],
    }
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount=64900, **buyer)
    match story:
        case "card":
            sim.approve(imp_uid)
        case "account":
            sim.issue_account(imp_uid)
            sim.deposit(imp_uid)
        case _:
            sim.fail(imp_uid)
    answer = sim.payment(imp_uid).as_json()
    snapshot = parsed(answer, asked_at=ASKED)
    assert snapshot is not None

    kept = json.dumps(snapshot.as_json(), ensure_ascii=False)
    told = freeze(result(view(snapshot)).envelope()).decode()

    assert answer["buyer_name"] == "구매자이름"
    for secret in (*map(str, buyer.values()), "비밀메모", "입금자이름"):
        assert secret not in kept
        assert secret not in told


TAXONOMY = [
    "payment.paid",
    "payment.partially_cancelled",
    "payment.cancelled",
    "payment.virtual_account.issued",
    "payment.virtual_account.expired",
    "payment.virtual_account.deposit_reversed",
    "payment.expired",
    "payment.pending",
    "payment.not_started",
    "payment.abandoned",
    "payment.declined",
    "payment.failed",
    "payment.review.amount_mismatch",
    "payment.review.currency_mismatch",
    "payment.review.order_mismatch",
    "payment.review.order_unknown",
    "payment.review.livemode_mismatch",
    "payment.review.duplicate_payment",
    "payment.review.provider_anomaly",
    "payment.review.resolved",
    "claim.payment_not_found",
    "claim.rejected",
    "account.credentials_invalid",
    "account.reconciliation_gap",
    "endpoint.ping",
    "endpoint.disabled",
]


def test_there_are_26_types() -> None:
    """The types are the promised ones, no more and no fewer."""
    assert len(TAXONOMY) == 26
    assert sorted(EventType) == sorted(TAXONOMY)


@pytest.mark.parametrize(
    ("pattern", "heard"),
    [
        ("payment.paid", {"payment.paid"}),
        ("payment.review.*", {name for name in TAXONOMY if name.startswith("payment.review.")}),
        ("payment.*", {name for name in TAXONOMY if name.startswith("payment.")}),
        ("endpoint.*", {"endpoint.ping", "endpoint.disabled"}),
        ("*", set(TAXONOMY)),
        ("payment", set()),
        ("payment.pai", set()),
        ("*.paid", set()),
        ("", set()),
    ],
)
def test_subscriptions_are_names_or_prefixes(pattern: str, heard: set[str]) -> None:
    """An endpoint hears the types that it names, or all that begin like its prefix; nothing else."""
    assert {name for name in TAXONOMY if hears([pattern], name)} == heard


def test_who_names_nothing_hears_nothing_and_patterns_add_up() -> None:
    """Subscriptions add up, and an endpoint without any hears nothing."""
    assert not any(hears([], name) for name in TAXONOMY)
    assert hears(["endpoint.ping", "payment.paid"], EventType.PAID)


def test_by_default_only_waiting_and_claims_are_left_out() -> None:
    """A new endpoint hears all but `payment.pending` and the claims, which are heard by name only."""
    patterns = [str(pattern) for pattern in DEFAULT_EVENTS]

    assert {name for name in TAXONOMY if not hears(patterns, name)} == {
        "payment.pending",
        "claim.payment_not_found",
        "claim.rejected",
    }
