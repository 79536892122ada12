"""May a receipt's address be followed? PortOne passes on what a payment company said, and anybody may name a page.

A link leads only to those companies themselves, over https. What leads elsewhere is shown as text.
"""

from typing import Final
from urllib.parse import urlsplit

# Whose hosts print receipts for the payment companies that PortOne V1 connects to, and PortOne's own.
KNOWN: Final = (
    *("portone.io", "iamport.kr", "iamport.co", "inicis.com", "nicepay.co.kr", "nicepay.com", "kcp.co.kr"),
    *("tosspayments.com", "uplus.co.kr", "toss.im", "kakaopay.com", "kakao.com", "naver.com", "payco.com"),
    *("danalpay.com", "danal.co.kr", "mobilians.co.kr", "settlebank.co.kr", "hectofinancial.co.kr", "smartropay.co.kr"),
    *("smartro.co.kr", "easypay.co.kr", "kicc.co.kr", "ksnet.co.kr", "kiwoompay.co.kr", "daoupay.com", "payletter.com"),
    *("billgate.net", "welcomepayments.co.kr", "bluewalnut.co.kr", "paypal.com", "eximbay.com", "samsungpay.com"),
)


def is_web_address(url: str) -> bool:
    """Say whether a text is an https address with a host, which a person may copy."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and url.isascii() and url.isprintable()
    except ValueError:
        return False


def is_receipt(url: str) -> bool:
    """Say whether a link may lead there: https, the usual port, nobody's name in front, and a host that is known."""
    if not is_web_address(url) or "\\" in url:  # which browsers read as a slash
        return False
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    try:
        usual = parts.port in (None, 443)
    except ValueError:
        return False
    return usual and "@" not in parts.netloc and any(host == one or host.endswith(f".{one}") for one in KNOWN)
