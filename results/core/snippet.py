"""What stands in the shop's page? The call that opens PortOne's payment window, filled in with a merchant's own values.

(Facts: PortOne V1 payment guide: `m_redirect_url` is followed on phones and ignored on most PCs, where the callback
runs instead and has to lead to the same address; `notice_url` takes the place of the console's URL.)
"""

import json
from dataclasses import dataclass
from typing import Any, Final

USER_CODE: Final = "imp00000000"
CHANNEL: Final = "channel-key-…"
SDK: Final = "https://cdn.iamport.kr/v1/iamport.js"


@dataclass(frozen=True, slots=True)
class Window:
    """What the payment window of a merchant's mode is opened with; what is not known yet is left to be filled in."""

    redirect_url: str
    notice_url: str
    user_code: str = ""
    channel_key: str = ""
    order: str = "order-1042"
    amount: int = 64900
    name: str = "소금빵 한 상자"
    pg: str = ""  # company and merchant id, of a channel that has no key
    confirm_url: str = ""


def write_snippet(window: Window) -> str:
    """Return HTML for the shop's page. Every value is a JavaScript string that ends neither itself nor the script."""
    by_pg = window.pg and not window.channel_key
    channel = {"pg": window.pg} if by_pg else {"channelKey": window.channel_key or CHANNEL}
    settings = channel | {
        "pay_method": "card",
        "merchant_uid": window.order,
        "name": window.name,
        "amount": window.amount,
        "m_redirect_url": window.redirect_url,
        "notice_url": window.notice_url,
    }
    lines = "".join(f"    {name}: {_literal(value)},\n" for name, value in settings.items())
    if window.confirm_url:
        lines += f"    // confirm_url: {_literal(window.confirm_url)},\n"
    return (
        f'<script src="{SDK}"></script>\n'
        "<script>\n"
        f"  IMP.init({_literal(window.user_code or USER_CODE)});\n"
        "  IMP.request_pay({\n"
        f"{lines}"
        "  }, function (paid) {\n"
        "    const back = new URLSearchParams({ merchant_uid: paid.merchant_uid || "
        f'{_literal(window.order)} }});\n    if (paid.imp_uid) back.set("imp_uid", paid.imp_uid);\n'
        f"    location.href = {_literal(window.redirect_url)} + "
        '"?" + back;\n'
        "  });\n"
        "</script>\n"
    )


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
