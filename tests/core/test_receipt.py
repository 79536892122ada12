"""Receipts: where a link may lead."""

import pytest

from results.core.receipt import is_receipt, is_web_address


@pytest.mark.parametrize(
    "url",
    [
        "https://npg.nicepay.co.kr/issue/IssueLoader.do?TID=1",
        "https://iniweb.inicis.com/DefaultWebApp/mall/cr/cm/mCmReceipt_head.jsp?noTid=1",
        "https://dashboard.tosspayments.com:443/receipt",
        "https://ADMIN8.KCP.CO.KR/assist/bill",
    ],
)
def test_payment_companies_are_known(url: str) -> None:
    """Receipts of the payment companies themselves may be opened."""
    assert is_receipt(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)//nicepay.co.kr",
        "http://npg.nicepay.co.kr/",
        "//npg.nicepay.co.kr/",
        "https://evil.example/nicepay.co.kr",
        "https://evil.example?.nicepay.co.kr",
        "https://evilnicepay.co.kr/",
        "https://nicepay.co.kr.evil.example/",
        "https://nicepay.co.kr@evil.example/",
        "https://me@npg.nicepay.co.kr/",
        "https://evil.example\\.nicepay.co.kr/",
        "https://evil.example\\@nicepay.co.kr/",
        "https://evil.example\t.nicepay.co.kr/",
        "https://npg.nicepay.co.kr:8443/",
        "https://npg.nicepay.co.kr:port/",
        "https://[::1/",
        "https://nicepay.co.kr\u3002evil.example/",
    ],
)
def test_nothing_else_is_linked(url: str) -> None:
    """Another scheme, host, port or name, or a trick with one, leads nowhere."""
    assert not is_receipt(url)


def test_unknown_servers_are_shown() -> None:
    """An https address of another server is a text to copy; no address is none."""
    assert is_web_address("https://receipt.example.com/1")
    assert not is_web_address("javascript:alert(1)")
    assert not is_web_address("https://")
