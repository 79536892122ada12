"""What do the words of a failure message mean, where no table knows its code?

The rules are tried from the top, and the first that fits decides, so a narrow one stands above a wide one.
They read the message without its white space and in lower case: PGs space Korean as they like. Every pattern
is bounded, because the text may be an attacker's.
"""

import re
from urllib.parse import unquote_to_bytes

from results.core.failure_codes import FailureCode as Code

# PortOne's own words come first, then those about shop and customer, then the issuer's and the PG's.
_RULES: tuple[tuple[Code, str], ...] = (
    (Code.STOPPED_BY_MERCHANT_CONFIRM, r"(고객사|가맹점)요청에의해결제를?중단"),
    (Code.AMOUNT_BLOCKED_BY_PREPARE, r"사전(에)?등록(된|한|하신)?.{0,8}금액|predefinedamount|preparedamount"),
    (Code.INSTALLMENT_NOT_ALLOWED, r"할부.{0,20}(불가|오류|않|없|초과|제한|미만|아님|잘못)|instal(l)?ment"),
    (Code.CARD_LIMIT_EXCEEDED, r"한도.{0,8}(초과|부족|넘)|초과한도|결제(가능)?(금액|횟수).{0,6}초과"),
    (Code.CARD_LIMIT_EXCEEDED, r"over(the)?limit|limit.{0,20}exceed|exceed.{0,30}(limit|amount|count)"),
    (Code.INSUFFICIENT_BALANCE, r"(잔액|잔고|포인트|머니).{0,8}(부족|모자)"),
    (Code.INSUFFICIENT_BALANCE, r"(insufficient|notenough).{0,8}(fund|balance|point)"),
    (
        Code.MERCHANT_CONFIGURATION,
        r"업체정보에?이상|미등록(pg|가맹점|업체|상점)|(미개시|거래정지)(업체|가맹점)",
    ),
    (
        Code.MERCHANT_CONFIGURATION,
        r"(가맹점|상점).{0,8}(정보|설정|번호|아이디).{0,12}(오류|없|않|잘못|미확인|이상)",
    ),
    (Code.MERCHANT_CONFIGURATION, r"계약되지않은|미계약|파라미터.{0,16}(잘못|오류|누락)|암/?복호화"),
    (Code.MERCHANT_CONFIGURATION, r"invalidmerchant|merchant.{0,20}(notfound|notregistered|configur)"),
    (
        Code.WINDOW_NOT_OPENED,
        r"결제(창|모듈|페이지).{0,12}(호출|열|실행|로드|불러).{0,12}(실패|않|못|없|오류)",
    ),
    (Code.WINDOW_NOT_OPENED, r"pg(사)?(모듈|설정)|설정.{0,12}(않|잘못|오류|확인)|(채널|스토어)정보"),
    (Code.WINDOW_NOT_OPENED, r"등록되(어있)?지않은(?!카드|계좌)|지원(하지|되지)?않는(결제|pg|지불)"),
    (Code.WINDOW_NOT_OPENED, r"(payment|checkout)window.{0,20}(open|load)|notregistered(pg|channel|store)"),
    (Code.DUPLICATE_ORDER, r"이미.{0,4}(결제|승인|처리).{0,4}(가|이|된|되|완료|건)"),
    (Code.DUPLICATE_ORDER, r"중복(된)?(주문|결제|거래)|(주문|거래)번호.{0,4}중복"),
    (
        Code.DUPLICATE_ORDER,
        r"already.{0,8}(paid|processed|approved)|duplicated?.{0,4}(order|transaction|payment)",
    ),
    (Code.USER_CANCELLED, r"(사용자|구매자|이용자|회원|고객(?!사|센터)|본인).{0,16}(취소|중단|종료)"),
    (Code.USER_CANCELLED, r"취소버튼|결제(요청)?를?취소(하|했)|인증취소|창(을|이)?닫"),
    (Code.USER_CANCELLED, r"(user|customer|payer|buyer).{0,16}(cancel|abort|close)|cancel(l)?edby"),
    (Code.SESSION_EXPIRED, r"세션.{0,8}(만료|종료|없)|sessionexpir|sessiontimeout|paymenttimeexpir"),
    (Code.SESSION_EXPIRED, r"(결제|인증|입력|유효|거래)(가능)?(한)?시간.{0,8}(초과|만료|지났|지난|경과)"),
    (Code.CARD_EXPIRED, r"유효기간|만료된?카드|카드.{0,4}만료|expired?card|card(has)?expired|expir(y|ation)"),
    (Code.CARD_INVALID, r"카드번호|카드정보.{0,8}(오류|잘못|불일치|일치하지|올바르지|확인|틀)|분실|도난"),
    (Code.CARD_INVALID, r"(유효하지않은|잘못된|존재하지않는|정지된?|폐기)카드|카드(가)?.{0,4}(정지|해지)"),
    (Code.CARD_INVALID, r"cvc|cvv|invalidcard|cardnumber|(stolen|lost)card"),
    (Code.AUTHENTICATION_FAILED, r"(인증|본인확인).{0,16}(실패|오류|않|초과|불가|불일치)|비밀번호"),
    (Code.AUTHENTICATION_FAILED, r"authenti.{0,16}(fail|error)|(invalid|incorrect|wrong)(password|pin)"),
    (
        Code.PG_MAINTENANCE,
        r"점검|maintenance|(서비스|이용|거래)(이용|가능)?시간(이아|외)|서비스(일시)?중(단|지)",
    ),
    (Code.PG_MAINTENANCE, r"(결제|이용)(이)?불가(능)?(한)?시간"),
    (Code.TIMEOUT, r"시간(이)?초과|타임아웃|응답.{0,4}(지연|없)|time-?(d)?out|timedout|timeover"),
    (
        Code.METHOD_NOT_SUPPORTED,
        r"(않는|불가|불가능한|수없는)카드|카드.{0,8}(사용|이용|결제|승인)(이|은)?불가",
    ),
    (Code.METHOD_NOT_SUPPORTED, r"notsupported|unsupported"),
    (Code.CARD_DECLINED, r"거절|승인(이|에)?(실패|거부|불가)|카드사.{0,12}(실패|문의)"),
    (Code.CARD_DECLINED, r"declin|reject|donothono|blacklist|fraud"),
    (Code.PG_ERROR, r"일시적|장애|(시스템|통신|내부|네트워크|서버).{0,6}(오류|에러|실패)"),
    (Code.PG_ERROR, r"(internal|server|system|network|communication|connect|temporary).{0,8}(error|fail)"),
    # The weakest last: "interrupted" does not say why, but it is what many PGs write for a closed window.
    (Code.USER_CANCELLED, r"결제(가|를)?중단|결제(가)?취소되|^취소|cancel"),
)
_PATTERNS = tuple((code, re.compile(pattern)) for code, pattern in _RULES)
_MAX_LENGTH = 3600  # 400 Korean letters, while they are still percent-encoded
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")
_SPACE = re.compile(r"\s+")


def code_from_words(text: str) -> Code | None:
    """Return what a readable message says, or None when no rule knows its words.

    PortOne wraps a PG's message as `F0005:…(imp_…).01 | <the PG's words>`; then only the latter count.
    """
    words = _SPACE.sub("", text).lower().rstrip("|").rpartition("|")[2]
    return next((code for code, pattern in _PATTERNS if pattern.search(words)), None)


def readable(message: str) -> str:
    """Return the part of a message worth reading, with one percent-encoding undone that a browser left in it.

    Old PGs encode in the Korean code page rather than in UTF-8.
    """
    text = message[:_MAX_LENGTH]
    if not _ESCAPED.search(text):
        return text
    for encoding in ("utf-8", "cp949"):
        try:
            return unquote_to_bytes(text).decode(encoding)
        except UnicodeError:
            continue
    return text
