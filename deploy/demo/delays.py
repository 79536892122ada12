"""What if the truth changes, or comes late? Stories in which the first word is not the last."""

import asyncio

from .expectation import Expected
from .stage import PRICE, Scene, Stage, Tale, paid

# Long enough for an account to be told as issued on a machine that is busy with everything else.
DEADLINE_SECONDS = 8
OUTAGE_SECONDS = 4


async def approved_after_all(stage: Stage, scene: Scene) -> None:
    await stage.opens(scene, "imp_success")
    await stage.browser.comes_back(await stage.desk.does("fail", scene.imp_uid), sees="declined")
    await stage.was_told(scene)
    scene.arrives()
    await stage.desk.does("approve_late", scene.imp_uid)


async def paid_twice(stage: Stage, scene: Scene) -> None:
    """Two windows stood open before the first was paid: PortOne opens none for an order that is paid."""
    first = await stage.opens(scene, "ids")
    second = await stage.opens(scene, "ids")
    await stage.browser.comes_back(await stage.desk.does("approve", first), sees="paid")
    await stage.was_told(scene)
    scene.arrives()
    await stage.browser.comes_back(await stage.desk.does("approve", second), sees="already_paid")


async def nothing_deposited(stage: Stage, scene: Scene) -> None:
    await stage.opens(scene, "imp_success", pay_method="vbank")
    back = await stage.desk.does("issue_account", scene.imp_uid, open_for=DEADLINE_SECONDS)
    await stage.was_told(scene)
    await stage.was_told(scene, sequence=2)
    await stage.browser.comes_back(back, sees="expired")


async def paid_while_portone_is_down(stage: Stage, scene: Scene) -> None:
    await stage.opens(scene, "imp_success")
    async with stage.desk.out_of_order():
        back = await stage.desk.does("approve", scene.imp_uid)
        scene.arrives()
        page = await stage.browser.lands(back)
        await stage.desk.turned_away()
        await asyncio.sleep(OUTAGE_SECONDS)
        await stage.browser.sees(page, "confirming")
    await stage.browser.settles(page, "paid")


DELAYS = (
    Tale(
        number=17,
        title="declined, then approved after all",
        came_in="redirect failed, later webhook paid",
        earlier=("payment.declined",),
        expected=paid(sequence=2, causes=("late_approval",), late=True, supersedes=1),
        play=approved_after_all,
    ),
    Tale(
        number=18,
        title="one order paid twice",
        came_in="webhook and redirect of both payments",
        earlier=("payment.paid",),
        expected=Expected(
            type="payment.review.duplicate_payment",
            status="review",
            sequence=2,
            verification="mismatched",
            total=PRICE,
            captured=PRICE,
        ),
        play=paid_twice,
    ),
    Tale(
        number=19,
        title="no deposit before the deadline",
        came_in="webhook ready, then nothing",
        earlier=("payment.virtual_account.issued",),
        expected=Expected(type="payment.virtual_account.expired", status="expired", sequence=2, total=PRICE),
        play=nothing_deposited,
    ),
)

PORTONE_DOWN = Tale(
    number=21,
    title="paid while PortOne's API was down",
    came_in="redirect and webhook; API answered 503",
    expected=paid(),
    play=paid_while_portone_is_down,
    # The others must not be disturbed.
    alone=True,
)
