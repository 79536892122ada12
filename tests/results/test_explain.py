"""`manage.py explain`: one screen that says what became of a payment, for the right merchant only."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from deploy.demo.mischief import Fault
from results.core.ids import encode
from results.core.story import ArrivalPart, DeliveryPart
from results.management.commands.explain import WIDTH, arrival_lines, clean, columns, row, span, verdict
from tests.factories import Cast

Work = Callable[..., None]
NOON = datetime(2026, 11, 21, 3, tzinfo=UTC)  # in Seoul


def explain(cast: Cast | None, id: str, *more: str) -> str:
    out = StringIO()
    merchant = [f"--merchant={encode('mer', cast.merchant.id)}"] if cast else []
    call_command("explain", id, *merchant, *more, stdout=out)
    return out.getvalue()


def section(printed: str, title: str) -> list[str]:
    """Return the lines below a title."""
    lines = printed.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(title))
    rest = lines[start + 1 :]
    return rest[: rest.index("")] if "" in rest else rest


def pays(cast: Cast, order: str, *, run_worker: Work, amount: int = 64900) -> str:
    imp_uid = cast.opens_window(order, amount=amount)
    cast.portone.approve(imp_uid, webhook=False)
    cast.is_called_about(imp_uid, order)
    run_worker()
    return imp_uid


def test_the_whole_way_of_a_payment_is_on_one_screen(bakery: Cast, run_worker: Work) -> None:
    """What arrived, what was asked, what was concluded and who heard it are printed in this order."""
    bakery.expects("order-1")
    imp_uid = pays(bakery, "order-1", run_worker=run_worker)

    printed = explain(bakery, imp_uid, "--mode=live")

    told = " ".join(printed.split())
    parts = [
        "bakery, live mode",
        "Order order-1: now paid; ₩64,900 expected [orders_api]; 1 payment; 1 event",
        f"Payment {imp_uid} [{encode('pay', bakery.payment(imp_uid).id)}]",
        "now paid [payment.paid], version 1; money has moved; may still change",
        "✓ account ✓ order ✓ amount ✓ currency ✓ livemode ✓ uniqueness → matched",
        "What arrived",
        f"webhook {imp_uid} of order-1: says paid; settled after",
        "What PortOne was asked, and answered",
        f"single {imp_uid}: says paid, ₩64,900, order order-1",
        "What was told",
        f"payment.paid [{encode('evt', bakery.published()[0].id)}]",
        "told because PortOne's webhook came [webhook]",
        "→ 127.0.0.1:",
        "delivered",
        "HTTP 200",
        "What is owed: nothing",
    ]
    places = [told.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)
    assert len(printed.splitlines()) < 25


def test_a_forged_amount_is_explained(bakery: Cast, run_worker: Work) -> None:
    """A review says which check failed, what was expected and found, and why in a sentence."""
    bakery.expects("order-1")
    pays(bakery, "order-1", amount=100, run_worker=run_worker)

    told = " ".join(explain(bakery, "order-1", "--mode=live").split())

    assert "now review [payment.review.amount_mismatch]" in told
    assert "✗ amount" in told
    assert "mismatch amount: expected 64900, found 100" in told
    assert "because the amount is not what was expected" in told


def test_what_a_token_says_is_told_as_expected(bakery: Cast, run_worker: Work) -> None:
    """An order that nobody registered shows the amount that its payment was compared with, and who said it."""
    imp_uid = bakery.opens_window("order-1", custom_data=json.dumps({"pw_order": bakery.signs()}))
    bakery.portone.approve(imp_uid, webhook=False)
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    told = " ".join(explain(bakery, "order-1", "--mode=live").split())

    assert "Order order-1: now paid; ₩64,900 expected [order_token]" in told


def test_a_failed_try_says_when_the_next_is(bakery: Cast, run_worker: Work) -> None:
    """Of a delivery that failed, the try's answer and the time of the next are printed."""
    bakery.shop.faults.add(Fault(kind="status", status=503, times=1))
    pays(bakery, "order-1", run_worker=run_worker)

    printed = explain(bakery, "order-1", "--mode=live")

    assert "HTTP 503" in printed
    assert "not delivered yet; next try" in " ".join(printed.split())
    assert "make a delivery again [redeliver]: payment.paid" in section(printed, "What is owed")[0]


def test_the_florist_cannot_ask_about_the_bakerys_payment(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """Another merchant's payment is unknown, and the refusal says what to look at."""
    imp_uid = pays(bakery, "order-1", run_worker=run_worker)

    with pytest.raises(CommandError) as refusal:
        explain(florist, imp_uid, "--mode=live")

    assert f"nobody knows {imp_uid}" in str(refusal.value)
    assert "--merchant and --mode" in str(refusal.value)


def test_the_mode_may_be_left_out(bakery: Cast, test_bakery: Cast) -> None:
    """Without --mode the mode that knows the id is told of; when both do, one has to be said."""
    bakery.expects("order-1")
    test_bakery.expects("order-2")
    bakery.expects("order-3")
    test_bakery.expects("order-3")

    assert "bakery, live mode" in explain(bakery, "order-1")
    assert "bakery, test mode" in explain(bakery, "order-2")
    with pytest.raises(CommandError, match=r"order-3 is known in several places.*--mode live.*--mode test"):
        explain(bakery, "order-3")
    with pytest.raises(CommandError, match="nobody knows order-4"):
        explain(bakery, "order-4")


def test_the_merchant_need_not_be_said(bakery: Cast, florist: Cast) -> None:
    """Without --merchant whoever knows the id is told of; when several do, the command does not guess."""
    bakery.expects("order-1")
    bakery.expects("order-2")
    florist.expects("order-2")

    assert "bakery, live mode" in explain(None, "order-1")
    with pytest.raises(CommandError, match="several places"):
        explain(None, "order-2", "--mode=live")


def test_json_is_one_line_and_the_same_story(bakery: Cast, run_worker: Work) -> None:
    """With --json the story is one line on standard output, times in UTC."""
    bakery.expects("order-1")
    imp_uid = pays(bakery, "order-1", run_worker=run_worker)

    printed = explain(bakery, imp_uid, "--mode=live", "--json")

    assert printed.count("\n") == 1
    story = json.loads(printed)
    assert [payment["imp_uid"] for payment in story["payments"]] == [imp_uid]
    assert story["events"][0]["deliveries"][0]["attempts"][0]["status"] == 200
    assert story["at"].endswith("Z")


def test_no_line_is_wider_than_the_screen(bakery: Cast, run_worker: Work) -> None:
    """Hangul takes two columns, and the longest order number still fits."""
    order = "주문번호" * 10
    bakery.expects(order)
    imp_uid = pays(bakery, order, run_worker=run_worker)
    bakery.lands(imp_uid=imp_uid, merchant_uid=order, imp_success="false", error_code="가" * 64)

    printed = explain(bakery, order, "--mode=live")

    assert order in printed.replace("\n", "").replace(" ", "")
    assert max(columns(line) for line in printed.splitlines()) <= WIDTH


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("주문", 4), ("Ａ", 2), ("e\u0301", 1), ("✓–→", 3), ("", 0)])
def test_columns_are_counted_as_a_terminal_draws_them(text: str, width: int) -> None:
    """Wide characters count two, combining ones none."""
    assert columns(text) == width


@pytest.mark.parametrize("word", ["x" * 250, "가" * 150, "a가" * 90])
def test_a_word_without_spaces_is_broken(word: str) -> None:
    """A word that is wider than the screen goes on in the next line, and nothing of it is lost."""
    lines = row("  start  ", word)

    assert max(columns(line) for line in lines) <= WIDTH
    assert "".join(line.strip() for line in lines).replace("start", "").strip() == word
    assert all(line.startswith(" " * 9) for line in lines[1:])


def test_what_arrived_cannot_steer_the_terminal() -> None:
    """Control characters, also the invisible ones that turn text around, are shown as a replacement."""
    nothing: dict[str, Any] = dict.fromkeys(("imp_uid", "order", "event", "cancellation_id", "settled_at"))
    arrival = ArrivalPart(
        id=UUID(int=0),
        received_at=NOON,
        kind="landing",
        outcome="failed",
        status="a\x9b31mb",
        error_code="\u202ex",
        problems=(),
        sealed=False,
        **nothing,
    )

    printed = "\n".join(arrival_lines(arrival))

    assert "says a�31mb, code �x" in printed
    assert clean("\x1b[2J\udcff") == "�[2J�"


def test_times_are_those_of_seoul() -> None:
    """Three in the morning in UTC is printed as noon."""
    delivery = DeliveryPart("shop.example", None, None, NOON + timedelta(seconds=30), "", ())

    assert verdict(delivery, at=NOON) == "not delivered yet; next try due 11-21 12:00:30, in 30 s"
    assert (
        verdict(delivery, at=NOON + timedelta(minutes=1)) == "not delivered yet; next try is due since 11-21 12:00:30"
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"delivered_at": NOON}, "delivered 11-21 12:00:00"),
        ({"given_up_at": NOON}, "given up 11-21 12:00:00"),
        ({"held": "disabled", "next_at": NOON}, "not delivered; waits, because the endpoint is disabled"),
        ({"held": "failing"}, "not delivered; waits, because the endpoint is failing and only probed until it is back"),
        ({}, "not delivered, and no try is owed"),
    ],
)
def test_each_verdict_is_said(fields: dict[str, Any], said: str) -> None:
    """A delivery was delivered, given up, is held back, or is owed by nobody."""
    empty: dict[str, Any] = {"delivered_at": None, "given_up_at": None, "next_at": None, "held": ""}

    assert verdict(DeliveryPart("shop.example", attempts=(), **empty | fields), at=NOON) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0 ms"), (0.25, "250 ms"), (90, "90 s"), (150, "2 min"), (9000, "2 h"), (200000, "2 days")],
)
def test_spans_are_rounded_for_people(seconds: float, said: str) -> None:
    """How long something took is said in the unit that fits."""
    assert span(timedelta(seconds=seconds)) == said
