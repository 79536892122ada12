"""What does a customer of the shop see? The goods, the orders, and the page to come back to."""

import json
from collections.abc import Iterable
from html import escape

from ..paper import money, sheet
from .ledger import Purchase, Shop

GOODS = {"소금빵 한 상자": 24_000, "생일 케이크": 64_900, "꽃다발": 40_000}

STANDING_WORDS = {
    "": "◌ 아직 소식 없음",
    "registered": "◌ 주문됨",
    "pending": "◌ 확인 중",
    "awaiting_deposit": "◐ 입금 대기",
    "paid": "● 결제 확인됨",
    "partially_cancelled": "◔ 부분 취소됨",
    "cancelled": "○ 취소됨",
    "failed": "✕ 결제되지 않음",
    "expired": "✕ 기한이 지남",
    "review": "◆ 확인이 필요함",
}


def home(shop: Shop) -> str:
    """Return the shelf and the orders, newest first."""
    goods = "".join(_good(name, price) for name, price in GOODS.items())
    orders = "".join(_order(shop, purchase) for purchase in reversed(shop.purchases()))
    head = "<tr><th>주문</th><th class=money>금액</th><th>상태</th><th>발송</th></tr>"
    body = f"<h1>데모 빵집</h1><p class=quiet>서명이 확인된 콜백만 믿는 상점입니다.</p><table>{goods}</table>"
    if orders:
        body += f"<h1>주문</h1><table>{head}{orders}</table>"
    return sheet("데모 빵집", body)


CHECKOUT = """
var main = document.querySelector("main"), story = document.getElementById("story");
function show(result) {
  main.dataset.status = result.status;
  main.dataset.state = result.state;
  main.dataset.calls = (main.dataset.calls || "") + " " + result.status;
  var words = { success: "결제가 확인되었습니다.", vbankIssued: "아래 계좌로 입금해 주세요.",
    failed: "결제되지 않았습니다. 다시 시도할 수 있습니다.",
    pending: "결제를 확인하고 있습니다. 다시 결제하지 마세요." };
  story.textContent = words[result.status];
  document.getElementById("pay").hidden = result.status !== "failed";
  var account = result.virtual_account, where = document.getElementById("account");
  where.textContent = account ? account.bank_name + " " + account.number + " " + account.holder : "";
  if (!result.signed) return;
  fetch("/orders/check", { method: "POST", body: result.signed })
    .then(function (answer) { return answer.json(); })
    .then(function (checked) { main.dataset.signed = checked.signed ? checked.status : "no"; });
}
document.getElementById("pay").onclick = function () {
  IMP.init(main.dataset.code);
  var order = JSON.parse(main.dataset.window);
  IMP.request_pay(order, function (response) {
    Paywitness.confirm({ url: main.dataset.door, order: order.merchant_uid, response: response }, show);
  });
};
"""


def checkout(shop: Shop, purchase: Purchase, window: dict[str, str]) -> str:
    """Return a page that pays without leaving: PortOne's window in a frame, Paywitness's script for its result."""
    settings = shop.settings
    door = settings.redirect_url.replace("/complete", "/result")
    script = f"{settings.redirect_url.rpartition('/m/')[0]}/m/paywitness-1.js"
    portone = settings.pay_url.replace("/pay", "/v1/iamport.js")
    return sheet(
        "결제",
        f'<main data-door="{escape(door)}" data-code="{escape(settings.user_code)}" '
        f'data-window="{escape(json.dumps(window, ensure_ascii=False))}"><h1>{escape(purchase.name)}</h1>'
        f'<p class="big">{money(purchase.amount, "KRW")}</p><p><button class="main" id="pay">결제하기</button></p>'
        '<p id="story" role="status">주문을 확인하고 결제해 주세요.</p><p id="account"></p>'
        '<p><a href="/">상점으로</a></p></main>'
        f'<script src="{escape(portone)}"></script>'
        f'<script src="{escape(script)}" integrity="{escape(settings.script_integrity)}" '
        'crossorigin="anonymous"></script>'
        f"<script>{CHECKOUT}</script>",
    )


def complete(shop: Shop, signed: dict[str, str] | None) -> str:
    """Return the page that a customer comes back to; what was not signed is not repeated."""
    if signed is None:
        text = "돌아온 주소의 서명을 확인할 수 없습니다. 주문 상태는 상점의 기록으로 안내합니다."
        return sheet("주문", f'<main data-signed="no"><h1>주문을 확인하고 있습니다</h1><p>{text}</p></main>')
    order, status = signed.get("pr_order", ""), signed.get("pr_status", "")
    sent = order in shop.fulfilled()
    known = "결제가 확인되어 발송을 준비합니다." if sent else "결제 소식을 기다리고 있습니다."
    return sheet(
        "주문",
        f'<main data-signed="yes" data-order="{escape(order)}" data-status="{escape(status)}" '
        f'data-fulfilled="{"yes" if sent else "no"}"><h1>{STANDING_WORDS.get(status, escape(status))}</h1>'
        f"<p>주문 {escape(order)}</p><p>{known}</p>{_amount(signed)}<p><a href='/'>상점으로</a></p></main>",
    )


def _amount(signed: dict[str, str]) -> str:
    if not signed.get("pr_amount", "").isdigit() or signed.get("pr_exponent") != "0":
        return ""
    return f'<p class="big">{money(int(signed["pr_amount"]), escape(signed.get("pr_currency", "KRW")))}</p>'


def _good(name: str, price: int) -> str:
    fields: Iterable[str] = (
        f'<input type="hidden" name="name" value="{escape(name)}">',
        f'<input type="hidden" name="amount" value="{price}">',
    )
    here = '<button formaction="/buy?here">이 창에서 구매 (PC)</button>'
    form = f'<form method="post" action="/buy">{"".join(fields)}<button class="main">구매</button>{here}</form>'
    return f"<tr><td>{escape(name)}</td><td class=money>{money(price, 'KRW')}</td><td>{form}</td></tr>"


def _order(shop: Shop, purchase: Purchase) -> str:
    standing = shop.standing(purchase.order)
    sent = "발송 준비" if purchase.order in shop.fulfilled() else "—"
    return (
        f"<tr><td>{escape(purchase.order)}<br><span class=quiet>{escape(purchase.name)}</span></td>"
        f"<td class=money>{money(purchase.amount, 'KRW')}</td>"
        f"<td>{STANDING_WORDS.get(standing, escape(standing))}</td><td>{sent}</td></tr>"
    )
