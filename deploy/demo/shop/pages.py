"""What does a customer of the shop see? The goods, the orders, and the page to come back to."""

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
    form = f'<form method="post" action="/buy">{"".join(fields)}<button class="main">구매</button></form>'
    return f"<tr><td>{escape(name)}</td><td class=money>{money(price, 'KRW')}</td><td>{form}</td></tr>"


def _order(shop: Shop, purchase: Purchase) -> str:
    standing = shop.standing(purchase.order)
    sent = "발송 준비" if purchase.order in shop.fulfilled() else "—"
    return (
        f"<tr><td>{escape(purchase.order)}<br><span class=quiet>{escape(purchase.name)}</span></td>"
        f"<td class=money>{money(purchase.amount, 'KRW')}</td>"
        f"<td>{STANDING_WORDS.get(standing, escape(standing))}</td><td>{sent}</td></tr>"
    )
