"""What happens to an honest customer? PortOne's completion cases, each with what the shop must hear.

PortOne's webhook may be lost, doubled, a form or JSON; the redirect's parameters differ by PG, device and SDK. Each
story comes in another of these shapes, and what is told must not depend on it.
"""

from .expectation import Expected
from .simulator.redirects import PREFLIGHT_REASON, refusal_url
from .simulator.window import NOT_OPENED
from .stage import PRICE, Scene, Stage, Tale, paid

PART = 4_900

# A sweep may have found a payment in the moment before its own news came in; that is right, too.
BY_WEBHOOK = ("webhook", "reconciliation")
BY_LANDING = ("landing", "reconciliation")


async def paid_by_card(stage: Stage, scene: Scene) -> None:
    scene.arrives()
    back = await stage.browser.pays_by_card(scene.pay_url, stage.desk, copies=2)
    scene.page = await stage.browser.comes_back(back, sees="paid")
    await stage.browser.returns_to_shop(scene.page, order=scene.order)


async def told_by_webhook_alone(stage: Stage, scene: Scene) -> None:
    await stage.opens(scene, "imp_success")
    scene.arrives()
    await stage.desk.does("approve", scene.imp_uid, encoding="json-charset")


async def told_by_redirect_alone(stage: Stage, scene: Scene) -> None:
    await stage.opens(scene, "post")
    back = await stage.desk.does("approve", scene.imp_uid, webhook=False)
    scene.arrives()
    page = await stage.browser.comes_back(back, method="POST", sees="paid")
    await stage.browser.returns_to_shop(page, order=scene.order)


async def paid_at_the_second_try(stage: Stage, scene: Scene) -> None:
    await stage.opens(scene, "imp_success")
    await stage.browser.comes_back(await stage.desk.does("fail", scene.imp_uid), sees="declined")
    await stage.opens(scene, "without_imp_uid")
    back = await stage.desk.does("approve", scene.imp_uid, webhook=False)
    scene.arrives()
    await stage.browser.comes_back(back, sees="paid")


async def account_issued(stage: Stage, scene: Scene) -> None:
    await stage.opens(scene, "neither", pay_method="vbank")
    scene.arrives()
    back = await stage.desk.does("issue_account", scene.imp_uid)
    await stage.browser.comes_back(back, sees="awaiting_deposit")


async def deposited(stage: Stage, scene: Scene) -> None:
    scene.arrives()
    await stage.desk.does("deposit", scene.imp_uid, encoding="form")


async def declined(stage: Stage, scene: Scene) -> None:
    await stage.opens(scene, "success")
    back = await stage.desk.does("fail", scene.imp_uid)
    scene.arrives()
    await stage.browser.comes_back(back, sees="declined")


async def closed_by_the_customer(stage: Stage, scene: Scene) -> None:
    await stage.opens(scene, "imp_status")
    back = await stage.desk.does("abandon", scene.imp_uid)
    scene.arrives()
    await stage.browser.comes_back(back, sees="closed")


async def window_not_opened(stage: Stage, scene: Scene) -> None:
    back = refusal_url(
        stage.redirect_url,
        merchant_uid=scene.order,
        error_code=NOT_OPENED,
        error_msg=PREFLIGHT_REASON,
        variant="preflight_order",
    )
    scene.arrives()
    await stage.browser.comes_back(back, sees="not_opened")


async def cancelled(stage: Stage, scene: Scene) -> None:
    await _paid_before(stage, scene, "flutter")
    scene.arrives()
    await stage.desk.does("cancel", scene.imp_uid)


async def partly_cancelled(stage: Stage, scene: Scene) -> None:
    await _paid_before(stage, scene, "v2")
    scene.arrives()
    await stage.desk.does("cancel", scene.imp_uid, amount=PART)


async def _paid_before(stage: Stage, scene: Scene, variant: str) -> None:
    await stage.opens(scene, variant)
    await stage.browser.comes_back(await stage.desk.does("approve", scene.imp_uid), sees="paid")
    await stage.was_told(scene)


def _cancelled(word: str, amount: int) -> Expected:
    return Expected(type=f"payment.{word}", status=word, sequence=2, total=PRICE, captured=PRICE, cancelled=amount)


def _claimed(word: str) -> Expected:
    return Expected(type=f"payment.{word}", status="failed", verification="claimed", causes=("landing",))


COMPLETION = (
    Tale(
        number=1,
        title="paid by card",
        came_in="redirect imp_success=true, webhook twice",
        expected=paid(),
        play=paid_by_card,
    ),
    Tale(
        number=2,
        title="paid, customer never came back",
        came_in="webhook as JSON with a charset",
        expected=paid(causes=BY_WEBHOOK),
        play=told_by_webhook_alone,
    ),
    Tale(
        number=3,
        title="paid, webhook lost",
        came_in="redirect by POST",
        expected=paid(causes=BY_LANDING),
        play=told_by_redirect_alone,
    ),
    Tale(
        number=4,
        title="paid at the second try, webhook lost",
        came_in="redirect without imp_uid",
        earlier=("payment.declined",),
        expected=paid(sequence=2, causes=BY_LANDING),
        play=paid_at_the_second_try,
    ),
    Tale(
        number=5,
        title="virtual account issued",
        came_in="redirect without a flag, webhook ready",
        expected=Expected(type="payment.virtual_account.issued", status="awaiting_deposit", total=PRICE),
        play=account_issued,
    ),
    Tale(
        number=6,
        title="deposited into that account",
        came_in="webhook paid as a form",
        follows=5,
        expected=paid(sequence=2, causes=("virtual_account_deposit",)),
        play=deposited,
    ),
    Tale(
        number=7,
        title="declined: over the card's limit",
        came_in="redirect success=false",
        expected=Expected(type="payment.declined", status="failed", total=PRICE, causes=BY_LANDING),
        play=declined,
    ),
    Tale(
        number=8,
        title="closed by the customer",
        came_in="redirect imp_status=false",
        expected=_claimed("abandoned"),
        play=closed_by_the_customer,
    ),
    Tale(
        number=9,
        title="window did not open",
        came_in="redirect with merchant_uid only",
        expected=_claimed("not_started"),
        play=window_not_opened,
    ),
    Tale(
        number=10,
        title="cancelled in the console",
        came_in="webhook cancelled",
        earlier=("payment.paid",),
        expected=_cancelled("cancelled", PRICE),
        play=cancelled,
    ),
    Tale(
        number=11,
        title="cancelled in part",
        came_in="webhook cancelled",
        earlier=("payment.paid",),
        expected=_cancelled("partially_cancelled", PART),
        play=partly_cancelled,
    ),
)
