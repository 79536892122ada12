"""What do the demo's pages look like? One sheet of paper, shared by the simulator and the shop."""

from html import escape

CSS = """
:root { color-scheme: light dark; --ink: #16181d; --paper: #fbfbf9; --pine: #0f5f4b; --line: #16181d14 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9ebe6; --paper: #121412; --pine: #4fb398; --line: #e9ebe61f }
}
body { margin: 0 auto; max-width: 60rem; padding: 32px 16px; background: var(--paper); color: var(--ink);
  font: 15px/1.6 Pretendard, -apple-system, "Apple SD Gothic Neo", "Noto Sans KR", system-ui, sans-serif;
  word-break: keep-all }
h1 { font-size: 24px; margin: 0 0 4px } .quiet { opacity: .6; font-size: 13px } .big { font-size: 36px }
table { width: 100%; border-collapse: collapse; margin: 24px 0 }
td, th { padding: 12px 8px; text-align: left; border-bottom: 1px solid var(--line) }
th { font-size: 13px; font-weight: 400; opacity: .6 }
.money { text-align: right; font-variant-numeric: tabular-nums }
form { display: inline-flex; flex-wrap: wrap; gap: 8px }
button { font: inherit; padding: 4px 12px; border: 1px solid var(--line); border-radius: 8px;
  background: none; color: inherit; cursor: pointer }
button.main { background: var(--pine); border-color: var(--pine); color: var(--paper) }
a { color: var(--pine) }
"""

STATUS_WORDS = {"ready": "◌ 미결제", "paid": "● 결제됨", "failed": "✕ 실패", "cancelled": "○ 취소됨"}


def sheet(title: str, body: str) -> str:
    """Return a whole page; `body` is HTML and must be escaped already."""
    return (
        f'<!doctype html><html lang="ko"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{CSS}</style>{body}</html>'
    )


def money(amount: object, currency: str) -> str:
    """Return an amount in major units as people write it: ₩64,900 or USD 14.2."""
    return f"₩{amount:,}" if currency == "KRW" else f"{currency} {amount:,}"
