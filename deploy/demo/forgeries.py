"""What does a dishonest customer try? Whatever the browser may change, and what the shop must hear of it.

Every number in a payment window is the browser's: amount, currency, test channel, and the address that PortOne
calls. The redirect names a payment and an order, and anybody can write one. None of it may ever release goods.
"""

from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from .expectation import Expected, find_faults
from .players import WentWrong
from .simulator.redirects import join_query
from .stage import GOODS, PRICE, Scene, Stage, Tale, paid

FORGED = 100


async def amount_forged(stage: Stage, scene: Scene) -> None:
    back = await _pays(stage, scene, amount=str(FORGED))
    await stage.browser.comes_back(back, sees="review")


async def forged_amount_refunded(stage: Stage, scene: Scene) -> None:
    await stage.was_told(scene)
    scene.arrives()
    await stage.desk.does("cancel", scene.imp_uid)


async def currency_swapped(stage: Stage, scene: Scene) -> None:
    back = await _pays(stage, scene, currency="JPY")
    await stage.browser.comes_back(back, sees="review")


async def borrowed_payment(stage: Stage, scene: Scene) -> None:
    """Somebody else pays, and this customer says that it was for their own order."""
    other = Scene(f"{scene.order}-other")
    scene.others[other.order] = ("payment.paid",)
    await stage.till.takes_order(other.order, GOODS, PRICE)
    await stage.register(other.order, PRICE)
    imp_uid = await stage.opens(other, "imp_success")
    await stage.desk.does("approve", imp_uid, webhook=False)
    claim = [("imp_uid", imp_uid), ("merchant_uid", scene.order), ("imp_success", "true")]
    await stage.browser.comes_back(join_query(stage.redirect_url, claim), sees="unknown")
    heard = await stage.till.hears(other.order, sequence=1)
    if faults := find_faults(heard, paid(), order=other.order):
        raise WentWrong(f"the order that was paid: {faults[0]}")


async def paid_in_the_test_channel(stage: Stage, scene: Scene) -> None:
    back = await _pays(stage, scene, sandbox="true")
    await stage.browser.comes_back(back, sees="review_unpaid")


async def webhook_led_astray(stage: Stage, scene: Scene) -> None:
    await _pays(stage, scene, notice_url=f"{stage.till.url}/somewhere-else")


async def _pays(stage: Stage, scene: Scene, **changes: str) -> str:
    """Pay in a window whose address the customer edited; return where the browser goes after it."""
    scene.arrives()
    back = await stage.browser.pays_by_card(edited(scene.pay_url, **changes), stage.desk)
    scene.imp_uid = parse_qs(urlsplit(back).query)["imp_uid"][0]
    return back


def edited(url: str, **changes: str) -> str:
    """Return an address with other values in its query."""
    parts = urlsplit(url)
    return parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | changes)).geturl()


def _review(word: str, *, total: int, captured: int | None = None, currency: str = "KRW") -> Expected:
    return Expected(
        type=f"payment.review.{word}",
        status="review",
        verification="mismatched",
        currency=currency,
        total=total,
        captured=total if captured is None else captured,
    )


FORGERIES = (
    Tale(
        number=12,
        title="customer changed 64,900 to 100 won",
        came_in="redirect imp_success=true, webhook",
        expected=_review("amount_mismatch", total=FORGED),
        play=amount_forged,
    ),
    Tale(
        number=13,
        title="those 100 won refunded by the shop",
        came_in="webhook cancelled",
        follows=12,
        expected=Expected(
            type="payment.cancelled",
            status="cancelled",
            sequence=2,
            verification="mismatched",
            total=FORGED,
            captured=FORGED,
            cancelled=FORGED,
        ),
        play=forged_amount_refunded,
    ),
    Tale(
        number=14,
        title="customer paid 64,900 yen, not won",
        came_in="redirect imp_success=true, webhook",
        expected=_review("currency_mismatch", total=PRICE, currency="JPY"),
        play=currency_swapped,
    ),
    Tale(
        number=15,
        title="somebody else's payment shown as own",
        came_in="redirect with another order's imp_uid",
        expected=None,
        play=borrowed_payment,
    ),
    Tale(
        number=16,
        title="test payment for a real order",
        came_in="redirect imp_success=true",
        expected=_review("livemode_mismatch", total=PRICE, captured=0),
        play=paid_in_the_test_channel,
    ),
)

WEBHOOK_LED_ASTRAY = Tale(
    number=20,
    title="customer sent the webhook elsewhere",
    came_in="nothing; found in PortOne's list",
    expected=paid(causes=("reconciliation",)),
    play=webhook_led_astray,
)
