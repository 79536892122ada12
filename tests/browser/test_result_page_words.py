"""What each state of the customer's page says, in both languages, and what it must never say. No database."""

import html
import re
from dataclasses import dataclass
from typing import Final

import pytest
from django.template.loader import render_to_string
from django.utils import translation

from results.core.deadline import Language
from results.core.page import PageState
from results.views.result_page import context_of
from tests.browser.test_result_page_look import AT, OPAQUE, bakerys

# What a state may say only if it is true: that money arrived, that none did, that one may pay again.
PAID = ("결제가 확인되었", "payment is confirmed", "결제되었습니다")
NOT_PAID = ("nothing was paid", "Nothing was paid", "결제되지 않았")
PAY_AGAIN = ("try again", "try another", "pay again at", "다시 결제하실", "다시 시도", "다른 카드", "다른 결제수단")
UNKNOWN_YET = (*PAID, *NOT_PAID, *PAY_AGAIN, "₩")
ACCOUNT = ("562-100002-98400", "신한은행", "브레드베이커리")
NEVER = ("error_msg", "imp_success", "undefined", "None", "null", "오류 코드")


@dataclass(frozen=True, slots=True)
class Story:
    """The words that a state must have in Korean and English, and those that it must not have."""

    korean: tuple[str, ...]
    english: tuple[str, ...]
    never: tuple[str, ...] = ()


STORIES: Final[dict[PageState, Story]] = {
    PageState.PAID: Story(
        ("결제가 확인되었습니다", "₩64,900", "더 하실 일은 없습니다"),
        ("Your payment is confirmed", "₩64,900", "nothing left for you to do"),
        (*NOT_PAID, *PAY_AGAIN),
    ),
    PageState.AWAITING_DEPOSIT: Story(
        ("입금을 기다리고", *ACCOUNT, "₩64,900", "내일 밤 11:59까지", "금액을 정확히"),
        ("Waiting for your deposit", *ACCOUNT, "₩64,900", "by 11:59 pm tomorrow", "exactly this amount"),
        (*PAID, *NOT_PAID, *PAY_AGAIN),
    ),
    PageState.DECLINED: Story(
        ("승인되지 않았습니다", "결제되지 않았", "다른 카드"),
        ("not approved", "Nothing was paid", "another card"),
        PAID,
    ),
    PageState.CLOSED: Story(
        ("마치지 않고 나오셨", "결제되지 않았"), ("You left before paying", "nothing was paid"), (*PAID, "₩")
    ),
    PageState.NOT_OPENED: Story(
        ("결제창을 열지 못했", "상점의 결제 설정", "고객님의 잘못이 아닙니다"),
        ("could not open", "shop’s payment setting", "not your mistake"),
        (*PAID, "₩"),
    ),
    PageState.FAILED: Story(("이루어지지 않았습니다", "다시 시도"), ("did not go through", "try again"), (*PAID, "₩")),
    PageState.CONFIRMING: Story(
        ("확인하고 있습니다", "다시 결제하지는 말아"), ("Checking your payment", "do not pay again"), UNKNOWN_YET
    ),
    PageState.REVIEW: Story(
        ("결제되었지만 상점의 확인", "다시 결제하지 마시고"),
        ("Paid, but the shop must check", "do not pay again"),
        (*NOT_PAID, *PAY_AGAIN, "결제가 확인되었", "payment is confirmed"),
    ),
    PageState.REVIEW_UNPAID: Story(
        ("상점의 확인이 필요", "결제하거나 입금하지 말아"),
        ("shop must check", "do not pay or deposit anything"),
        (*PAID, *PAY_AGAIN, *ACCOUNT, "결제되었지만", "Paid, but"),
    ),
    PageState.ALREADY_PAID: Story(
        ("이미 결제된 주문", "다시 결제하거나 입금하지 말아"),
        ("paid already", "do not pay or deposit again"),
        (*NOT_PAID, *PAY_AGAIN, *ACCOUNT),
    ),
    PageState.EXPIRED: Story(
        ("기한이 지났습니다", "입금하지 마시고"),
        ("time to pay is over", "do not deposit any more"),
        (*PAID, *ACCOUNT, "₩"),
    ),
    PageState.CANCELLED: Story(
        ("취소되었습니다", "전액을 돌려받"), ("was cancelled", "whole amount goes back"), (*PAID, *PAY_AGAIN)
    ),
    PageState.CANCELLED_UNPAID: Story(
        ("취소되었습니다", "돌려드릴 금액도 없습니다", "입금하지 말아"),
        ("Cancelled before anything was paid", "nothing goes back", "do not deposit any more"),
        (*PAID, *ACCOUNT, "전액을 돌려받", "goes back to you"),
    ),
    PageState.UNKNOWN: Story(
        ("결제 여부를 알 수 없습니다", "상점에 문의"), ("cannot tell whether you paid", "ask the shop"), UNKNOWN_YET
    ),
    PageState.ENDED: Story(("기한이 지났습니다", "주문 내역"), ("has expired", "your order at the shop"), UNKNOWN_YET),
    PageState.NOT_RECORDED: Story(
        ("저희 쪽 문제", "결제에는 영향이 없습니다", "다시 결제하지는 말아"),
        ("fault is ours", "payment is not affected", "do not pay again"),
        UNKNOWN_YET,
    ),
}


def read(state: PageState, language: Language) -> str:
    """Return the page's text as a customer reads it."""
    with translation.override(language):
        context = context_of(bakerys(state), opaque=OPAQUE, language=language, at=AT)
        page = render_to_string("results/result_page.html", context)
    body = page.partition("<body>")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_every_state_has_a_story() -> None:
    """A new state has its words written down here before it is shown."""
    assert set(STORIES) == set(PageState)


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("state", PageState)
def test_a_state_says_what_it_is_and_nothing_else(state: PageState, language: Language) -> None:
    """Each state says what happened and whose move it is, and never what would be untrue or harmful then."""
    text, story = read(state, language), STORIES[state]

    missing = [words for words in (story.korean if language == "ko" else story.english) if words not in text]
    untrue = [words for words in (*story.never, *NEVER) if words in text]

    assert (missing, untrue) == ([], []), text
