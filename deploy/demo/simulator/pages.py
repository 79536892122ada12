"""What does a person see who tries things by hand? A list of payments, and a window to click through."""

import json
from collections.abc import Iterable
from html import escape
from typing import Any

from ..paper import STATUS_WORDS, money, sheet
from .payment import Payment, Row

CHOICES = {"paid": "결제하기", "vbank": "가상계좌 발급", "declined": "승인 거절", "close": "창 닫기"}
# What a dishonest customer can change in the browser before paying.
FORGERIES: dict[str, dict[str, Any]] = {"forged": {"amount": 100}, "test": {"sandbox": True}}
CHOICES |= {"forged": "100원으로 바꿔 결제", "test": "테스트 채널로 결제"}

DESK_WORDS = {
    "approve": "승인",
    "fail": "실패",
    "issue_account": "가상계좌",
    "deposit": "입금",
    "expire_account": "기한 만료",
    "undo_deposit": "입금 취소",
    "approve_late": "늦은 승인",
    "cancel": "전액 취소",
    "cancel_part": "천원 취소",
    "resend": "웹훅 다시",
}


# What a shop's page loads in place of PortOne's cdn.iamport.kr/v1/iamport.js: on a PC the window is a frame of the
# page, m_redirect_url is ignored, and a function is called.
SCRIPT = """
window.IMP = (function () {
  var home = document.currentScript.src.replace("/v1/iamport.js", ""), code = "";
  return {
    init: function (given) { code = given; },
    request_pay: function (order, callback) {
      var query = "user_code=" + encodeURIComponent(code), frame = document.createElement("iframe");
      Object.keys(order).forEach(function (name) {
        var value = typeof order[name] === "object" ? JSON.stringify(order[name]) : order[name];
        if (name !== "m_redirect_url") query += "&" + name + "=" + encodeURIComponent(value);
      });
      frame.src = home + "/pay?" + query;
      frame.title = "payment window";
      frame.style.cssText = "position:fixed;top:5%;left:50%;width:28rem;height:24rem;margin-left:-14rem;border:0;" +
        "box-shadow:0 0 0 99rem #0008";
      window.addEventListener("message", function hear(message) {
        if (message.source !== frame.contentWindow || message.origin !== home) return;
        window.removeEventListener("message", hear);
        frame.remove();
        callback(message.data.paywitness_demo);
      });
      document.body.appendChild(frame);
    },
  };
})();
"""


def payment_list(rows: Iterable[Row]) -> str:
    """Return the list, newest first, with the buttons that make sense for each state."""
    lines = "".join(_line(row.payment) for row in rows)
    head = "<tr><th>상태</th><th>주문</th><th class=money>금액</th><th>할 수 있는 일</th></tr>"
    empty = "" if lines else '<p class="quiet">아직 결제가 없습니다. 상점에서 주문해 보세요.</p>'
    intro = "<h1>포트원 시뮬레이터</h1><p class=quiet>진짜 돈은 움직이지 않습니다.</p>"
    return sheet("포트원 시뮬레이터", f"{intro}<table>{head}{lines}</table>{empty}")


def payment_window(payment: Payment) -> str:
    """Return the payment window for one order."""
    buttons = "".join(
        f'<button name="choice" value="{choice}"{" class=main" if choice == "paid" else ""}>{word}</button>'
        for choice, word in CHOICES.items()
    )
    body = (
        f'<p class="quiet">데모 결제창 · 주문 {escape(payment.merchant_uid)}</p>'
        f'<p class="big">{escape(money(payment.amount, payment.currency))}</p>'
        f'<form method="post" action="/pay/{escape(payment.imp_uid)}">{buttons}</form>'
    )
    return sheet("결제", body)


def call_back(response: dict[str, Any]) -> str:
    """Return the page that ends a window without an address to go to: the page around it gets PortOne's answer."""
    said = json.dumps(response, ensure_ascii=False, default=str).replace("<", "\\u003c")
    script = f'<script>parent.postMessage({{ paywitness_demo: {said} }}, "*")</script>'
    return notice("끝났습니다", "돌아갈 주소 없이 열린 결제창이라 여기서 멈춥니다.") + script


def post_onward(url: str) -> str:
    """Return a page that goes on by POST with an empty body, as some apps do."""
    form = f'<form method="post" action="{escape(url)}"><button class="main">계속</button></form>'
    return sheet("이동", f"<h1>상점으로 돌아갑니다</h1>{form}")


def notice(title: str, text: str) -> str:
    return sheet(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>")


def possible_actions(payment: Payment) -> tuple[str, ...]:
    if payment.awaits_deposit:
        return ("deposit", "expire_account")
    by_status = {
        "ready": ("approve", "issue_account", "fail"),
        "failed": ("approve_late",),
        "paid": ("cancel", "cancel_part", "resend", *(("undo_deposit",) if payment.vbank_num else ())),
        "cancelled": ("cancel", "cancel_part") if payment.balance else (),
    }
    return by_status.get(payment.status, ())


def _line(payment: Payment) -> str:
    buttons = "".join(
        f'<button name="action" value="{action}">{DESK_WORDS[action]}</button>' for action in possible_actions(payment)
    )
    test = " · 테스트" if payment.sandbox else ""
    taken_back = f"<br><span class=quiet>취소 {money(payment.cancel_amount, payment.currency)}</span>"
    return (
        f"<tr><td>{STATUS_WORDS.get(payment.status, escape(payment.status))}</td>"
        f"<td>{escape(payment.merchant_uid)}<br><span class=quiet>{payment.imp_uid} · "
        f"{escape(payment.pay_method)}{test}</span></td>"
        f"<td class=money>{escape(money(payment.amount, payment.currency))}"
        f"{taken_back if payment.cancel_amount else ''}</td>"
        f'<td><form method="post" action="/desk/{payment.imp_uid}">{buttons}</form></td></tr>'
    )
