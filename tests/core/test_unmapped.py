"""What is counted of a failure that no table names: its kind, and nothing about anybody."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.core.failures import Failure, classify_failure
from results.core.unmapped import Kind, kind_of

PIECES = st.sampled_from(
    ["010-1234-5678", "kim@shop.example", "imp_448280090638", "T0000", "승인거절", " ", "[", "]", "１２"]
)


def failure(message: str, code: str | None = None) -> Failure:
    return classify_failure(pg="nice_v2", code=code, message=message, source="portone")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("알 수 없는 사유입니다", "알 수 없는 사유입니다"),
        ("카드 9410-12**-****-1234 거절", "카드 # 거절"),
        ("주문 payment-39ecfa97 오류, imp_448280090638", "주문 # 오류, #"),
        ("문의 010-1234-5678 또는 kim@shop.example", "문의 # 또는 #"),
        ("자세히 https://pg.example/why?id=abc 참조", "자세히 # 참조"),
        ("전화 ０１０ １２３４ ５６７８", "전화 #"),
        ("메일 kim＠shop.example", "메일 #"),
        ("x" * 500, "x" * 200),
    ],
)
def test_reasons_are_left_without_anybody(message: str, reason: str) -> None:
    """Cards, phones, orders, payments, mail and web addresses go; the words stay, at most 200 characters."""
    assert kind_of("nice_v2", failure(message)).reason == reason


@pytest.mark.parametrize(
    ("message", "code", "kept"),
    [
        ("[Q999] 사유", None, "Q999"),
        ("Z123: 사유", None, "Z123"),
        ("사유", "SOME_NEW_CODE", "SOME_NEW_CODE"),
        ("[01012345678] 사유", None, ""),
        ("사유", "imp_448280090638", ""),
        ("사유", None, ""),
    ],
)
def test_short_codes_are_kept(message: str, code: str | None, kept: str) -> None:
    """A PG's code is what a table is made of; a number that is longer than a code could be is left out."""
    assert kind_of("nice_v2", failure(message, code)).code == kept


def test_a_merchants_id_at_the_pg_is_left_out() -> None:
    """The PG is counted, not whose contract with it it was."""
    assert kind_of("NICE_V2.nictest04m", failure("사유")) == Kind("nice_v2", "", "사유")
    assert kind_of(None, failure("사유")).pg == ""


@given(st.lists(PIECES | st.text(max_size=8), max_size=12).map("".join))
def test_no_reason_holds_a_digit_or_an_address(message: str) -> None:
    """Whatever a PG says, what is counted has no digit, no @ and at most 200 characters."""
    reason = kind_of("nice_v2", failure(message)).reason

    assert not re.search(r"\d|@", reason)
    assert len(reason) <= 200
