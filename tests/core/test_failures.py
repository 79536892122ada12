"""Why a payment failed, in one word for every PG."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.core.failure_codes import ACTION_OF, CATEGORY_OF, RETRYABLE
from results.core.failure_table import DISTINCT, TABLES
from results.core.failures import (
    Category,
    Confidence,
    CustomerAction,
    Failure,
    FailureCode,
    classify_failure,
    event_type_for,
)
from results.core.words import EventType


def said(message: str | None, code: str | None = None, pg: str | None = None) -> Failure:
    return classify_failure(pg=pg, code=code, message=message, source="portone")


@pytest.mark.parametrize(
    ("pg", "code", "meaning"),
    [
        ("tosspayments", "PAY_PROCESS_CANCELED", "user_cancelled"),
        ("tosspayments", "PAY_PROCESS_ABORTED", "pg_error"),
        ("tosspayments", "REJECT_CARD_COMPANY", "card_declined"),
        ("tosspayments.tvivarepublica", "INVALID_CARD_EXPIRATION", "card_expired"),
        ("nice_v2", "I002", "user_cancelled"),
        ("NICE", "3021", "card_expired"),
        ("nice_v2.nictest04m", " 3011 ", "card_invalid"),
        ("kcp", "3001", "user_cancelled"),
        ("kcp", "CC61", "card_limit_exceeded"),
        ("kcp_billing", "AC25", "insufficient_balance"),
        ("kicc", "8350", "card_invalid"),
        ("danal", "9014", "merchant_configuration"),
        ("danal_tpay", "9014", "merchant_configuration"),
        ("html5_inicis", "V023", "merchant_configuration"),
        ("eximbay", "BL00", "card_declined"),
        ("eximbay", "D100", "pg_error"),
        ("naverpay", "userCancel", "user_cancelled"),
        ("naverpay", "OwnerAuthFail", "authentication_failed"),
    ],
)
def test_a_pgs_own_code_decides(pg: str, code: str, meaning: str) -> None:
    """A code in the PG's table decides, whatever the message says."""
    failure = said("한도초과", code, pg)

    assert (failure.code, failure.confidence) == (FailureCode(meaning), Confidence.MAPPED)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("PAY_PROCESS_CANCELED", "user_cancelled"),
        ("userCancel", "user_cancelled"),
        ("F500", "window_not_opened"),
        ("PaymentAlreadyPaid", "duplicate_order"),
        ("AmountNotEqualToPredefined", "amount_blocked_by_prepare"),
    ],
)
def test_a_code_that_is_a_word_needs_no_pg(code: str, meaning: str) -> None:
    """A redirect names no PG: a code that is a word, or PortOne's own, is understood all the same."""
    failure = said(None, code)

    assert (failure.code, failure.confidence) == (FailureCode(meaning), Confidence.MAPPED)


@pytest.mark.parametrize(("pg", "code"), [(None, "3001"), (None, "9014"), ("nice_v2", "3001"), ("unheard_of", "I002")])
def test_a_number_of_another_pg_means_nothing(pg: str | None, code: str) -> None:
    """3001 is a cancellation at one PG and a success at another: a short code counts at its own PG only."""
    assert said(None, code, pg).code is FailureCode.UNKNOWN


@pytest.mark.parametrize(
    ("pg", "message", "meaning"),
    [
        ("nice_v2", "결제에 실패하였습니다. [3021] 카드사 응답", "card_expired"),
        ("nice_v2", "[I002]", "user_cancelled"),
        ("kcp", "[CC61]", "card_limit_exceeded"),
        (
            "html5_inicis",
            "F0004:PG사 결제요청에 실패하여 중단합니다.(imp_741185732086) [코드: V023] 무엇인가",
            "merchant_configuration",
        ),
        (None, "F500: 무엇인가", "window_not_opened"),
    ],
)
def test_a_code_inside_the_message_counts(pg: str | None, message: str, meaning: str) -> None:
    """PortOne's fail_reason has no code beside it: the one in its text is looked up."""
    failure = said(message, None, pg)

    assert (failure.code, failure.confidence) == (FailureCode(meaning), Confidence.MAPPED)


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        # the customer
        ("사용자가 결제를 취소 하였습니다.", "user_cancelled"),
        ("F0005:결제가 중단되었습니다(imp_42234234).01 | 사용자가 결제를 취소 하였습니다.", "user_cancelled"),
        ("결제가 중단되었습니다", "user_cancelled"),
        ("취소 버튼을 누르셨습니다", "user_cancelled"),
        ("사용자에 의한 취소입니다.(091)", "user_cancelled"),
        ("인증취소하셨습니다.[SCREENID:301](A011)", "user_cancelled"),
        ("회원님의 요청으로 결제가 취소되었습니다.", "user_cancelled"),
        ("결제창을 닫으셨습니다", "user_cancelled"),
        ("Payment has been canceled by the customer.", "user_cancelled"),
        ("User cancelled the payment", "user_cancelled"),
        ("인증 시간이 초과 되었습니다", "session_expired"),
        ("결제 가능한 시간이 지났습니다", "session_expired"),
        ("세션이 만료되었습니다", "session_expired"),
        # the instrument
        ("카드 한도초과", "card_limit_exceeded"),
        ("일일 이용한도를 초과하였습니다", "card_limit_exceeded"),
        ("하루 결제 가능 횟수를 초과했습니다.", "card_limit_exceeded"),
        ("Credit limit exceeded", "card_limit_exceeded"),
        ("잔액이 부족합니다", "insufficient_balance"),
        ("통장잔액부족", "insufficient_balance"),
        ("Insufficient funds", "insufficient_balance"),
        ("유효기간 오류", "card_expired"),
        ("The card has expired.", "card_expired"),
        ("카드번호 오류", "card_invalid"),
        ("분실 혹은 도난 카드입니다.", "card_invalid"),
        ("정지된 카드 입니다.", "card_invalid"),
        ("Invalid card number", "card_invalid"),
        ("비밀번호가 일치하지 않습니다", "authentication_failed"),
        (
            "F0005:결제가 중단되었습니다(imp_1).01 | 정상적 인증 처리가 되지 않았습니다.",
            "authentication_failed",
        ),
        ("ISP 인증이 취소되었거나 실패하였습니다", "authentication_failed"),
        ("할부개월 한도 초과", "installment_not_allowed"),
        ("할부가 지원되지 않는 카드입니다.", "installment_not_allowed"),
        ("해당카드는 사용이 불가능 합니다", "method_not_supported"),
        ("사용할 수 없는 카드입니다", "method_not_supported"),
        ("등록되지 않은 카드, 지원하지 않는 카드입니다", "method_not_supported"),
        ("카드사 거절", "card_declined"),
        ("결제 승인이 거절되었습니다.", "card_declined"),
        ("Do not honor - declined", "card_declined"),
        # the shop
        ("결제 창 호출에 실패하였습니다. 스토어 정보를 조회하는데 실패하였습니다.", "window_not_opened"),
        ("PG 설정 정보가 없습니다", "window_not_opened"),
        ("PG 모듈을 찾을 수 없습니다", "window_not_opened"),
        ("등록되지 않은 PG사입니다", "window_not_opened"),
        ("지원하지 않는 결제수단입니다", "window_not_opened"),
        (
            "[인증실패] 업체정보에 이상이 있습니다. 해당 서비스 업체로 문의하여 주십시오.",
            "merchant_configuration",
        ),
        ("[8901] 미등록PG업체/거래정지업체", "merchant_configuration"),
        ("신용카드 본인인증은 계약되지 않은 인증방법입니다.상점에 문의해 주세요.", "merchant_configuration"),
        ("카드가맹점 정보 오류", "merchant_configuration"),
        ("이미 결제가 이루어진 거래건입니다.", "duplicate_order"),
        ("이미 처리된 결제 입니다.", "duplicate_order"),
        ("주문번호 중복 오류", "duplicate_order"),
        ("사전등록된 금액과 다릅니다", "amount_blocked_by_prepare"),
        ("고객사 요청에 의해 결제를 중단합니다. (상세사유 : 한도 초과)", "stopped_by_merchant_confirm"),
        # the PG
        ("은행 점검 시간입니다", "pg_maintenance"),
        ("은행 서비스 시간이 아닙니다.", "pg_maintenance"),
        ("System maintenance", "pg_maintenance"),
        ("TIME OVER", "timeout"),
        ("응답시간초과", "timeout"),
        ("(PG사 결제 장애) Internal error", "pg_error"),
        ("일시적인 오류가 발생했습니다. 잠시 후 다시 시도해주세요.", "pg_error"),
    ],
)
def test_words_are_understood_where_no_table_helps(message: str, meaning: str) -> None:
    """Without a known code the words decide, in Korean and in English, and we say that we guessed."""
    failure = said(message)

    assert (failure.code, failure.confidence) == (FailureCode(meaning), Confidence.HEURISTIC)


@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
def test_a_message_that_stayed_percent_encoded_is_understood(encoding: str) -> None:
    """A message that a browser left percent-encoded is decoded once for reading, and kept as it came."""
    message = quote("한도초과".encode(encoding))

    failure = said(message)

    assert failure.code is FailureCode.CARD_LIMIT_EXCEEDED
    assert failure.raw_message == message


def test_words_in_the_code_are_better_than_nothing() -> None:
    """A PG that writes its only words into the code is understood."""
    assert said(None, "사용자취소").code is FailureCode.USER_CANCELLED


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (None, None),
        ("", ""),
        ("X9", "?"),
        ("F0005", "F0005:결제가 중단되었습니다(imp_1).01 | 음"),
        ("F1002", "|"),
    ],
)
def test_what_nobody_knows_is_called_unknown(code: str | None, message: str | None) -> None:
    """Neither table nor words: the failure is unknown, and no certainty is claimed."""
    failure = said(message, code)

    assert (failure.code, failure.category, failure.confidence) == ("unknown", "unknown", "none")


@pytest.mark.parametrize(
    ("code", "category", "action", "retryable"),
    [
        ("window_not_opened", Category.MERCHANT, CustomerAction.CONTACT_SHOP, False),
        ("user_cancelled", Category.CUSTOMER, CustomerAction.RETRY, True),
        ("card_expired", Category.INSTRUMENT, CustomerAction.USE_OTHER_METHOD, False),
        ("pg_maintenance", Category.PROVIDER, CustomerAction.RETRY_LATER, True),
    ],
)
def test_each_failure_says_what_to_do(code: str, category: Category, action: CustomerAction, retryable: bool) -> None:
    """The category follows from the code, and the customer's best next step from the category."""
    known = FailureCode(code)

    assert (CATEGORY_OF[known], ACTION_OF[CATEGORY_OF[known]], known in RETRYABLE) == (
        category,
        action,
        retryable,
    )


def test_every_code_has_a_category() -> None:
    """No code is without a category, and no category without an action."""
    assert set(CATEGORY_OF) == set(FailureCode)
    assert set(ACTION_OF) == set(Category)


@pytest.mark.parametrize(
    ("message", "event_type"),
    [
        ("결제 창 호출에 실패하였습니다", EventType.NOT_STARTED),
        ("업체정보에 이상이 있습니다", EventType.NOT_STARTED),
        ("사용자가 결제를 취소하였습니다", EventType.ABANDONED),
        ("세션이 만료되었습니다", EventType.ABANDONED),
        ("한도초과", EventType.DECLINED),
        ("잔액부족", EventType.DECLINED),
        ("비밀번호 오류", EventType.DECLINED),
        ("할부 불가", EventType.DECLINED),
        ("사용 불가 카드", EventType.DECLINED),
        ("이미 결제가 이루어진 거래건입니다.", EventType.FAILED),
        ("사전등록된 금액과 다릅니다", EventType.FAILED),
        ("고객사 요청에 의해 결제를 중단합니다.", EventType.FAILED),
        ("은행 점검", EventType.FAILED),
        ("무엇인가", EventType.FAILED),
    ],
)
def test_each_failure_has_its_event(message: str, event_type: EventType) -> None:
    """A window that did not open, a customer who left, a refused card and the rest are four events."""
    assert event_type_for(said(message)) is event_type


def test_raw_fields_are_cut_and_cleaned() -> None:
    """What a stranger wrote is kept short and without characters that move a cursor or turn text around."""
    failure = classify_failure(
        pg=None, code="\x00A\u202eB" * 60, message="가\r\n\x1b[31m" + "나" * 500, source="landing"
    )

    assert failure.raw_code == ("AB" * 60)[:64]
    assert failure.raw_message == "가[31m" + "나" * 395
    assert failure.raw_source == "landing"


@pytest.mark.parametrize("empty", [None, "", "  ", "\x00", "\r\n"])
def test_an_empty_raw_field_is_null(empty: str | None) -> None:
    """A code or a message without anything in it is absent."""
    failure = said(empty, empty)

    assert (failure.raw_code, failure.raw_message) == (None, None)


@given(
    st.none() | st.text() | st.sampled_from(sorted(TABLES)),
    st.none() | st.text(),
    st.none() | st.text() | st.binary().map(quote),
)
def test_no_text_raises(pg: str | None, code: str | None, message: str | None) -> None:
    """Whatever was said, there is a failure with clean raw fields that a database can keep."""
    failure = classify_failure(pg=pg, code=code, message=message, source="landing")

    assert len(failure.raw_code or "") <= 64
    assert len(failure.raw_message or "") <= 400
    (failure.raw_code or "").encode() + (failure.raw_message or "").encode()
    assert "\x00" not in f"{failure.raw_code}{failure.raw_message}"


def test_codes_are_looked_up_without_their_case() -> None:
    """Tables hold upper-case codes only, so that a code is found however a PG writes it."""
    codes = [code for table in (*TABLES.values(), DISTINCT) for code in table]

    assert all(code == code.upper() for code in codes)
