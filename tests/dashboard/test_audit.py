"""What a merchant reads about changes: each of them, in words."""

import ast
import re
from pathlib import Path

from django.urls import reverse
from django.utils.translation import override

from tenants.audit import WORDS, read_detail
from tenants.models import AuditEntry, Merchant
from tests.people import NOON, People

SOURCES = Path(__file__).parents[2]
WRITERS = {"write_down", "note", "_note", "_audit", "_audit_key", "_set_active"}


def actions() -> set[str]:
    """Return each action that our code writes down, as far as it stands there as one word."""
    found = set()
    for file in [*SOURCES.glob("tenants/**/*.py"), *SOURCES.glob("results/**/*.py")]:
        prefix = "endpoint." if file.name == "endpoints.py" and file.parent.name == "results" else ""
        for call in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)):
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            words = [word.value for word in call.keywords if word.arg == "action"]
            words += call.args if name in WRITERS else []
            found |= {prefix + word.value for word in words if isinstance(word, ast.Constant) and word.value}
    return {action for action in found if re.fullmatch(r"[a-z_]+\.[a-z_]+", action)}


def test_every_change_has_words() -> None:
    """Whatever our code writes down about a change can be read in Korean and in English, not as a code alone."""
    written = actions()

    assert {"member.invited", "endpoint.created", "endpoint.secret_rotated", "replay.begun", "api_key.made"} <= written
    assert written - set(WORDS) == set()
    with override("ko"):
        assert [action for action, words in WORDS.items() if not re.search("[가-힣]", str(words))] == []


def test_details_are_words_too(people: People, database: dict[str, Merchant]) -> None:
    """What a detail is called and what it says is written out; the code of the change stands small beside its words."""
    bakery = database["bakery"]
    changed = AuditEntry.objects.create(
        merchant=bakery,
        at=NOON,
        actor="a",
        action="mode.changed",
        detail={"policy": ["open", "strict"], "x": [True, 1]},
    )
    replay = AuditEntry(
        action="replay.begun", detail={"types": ["payment.paid", "payment.failed"], "undelivered": True}
    )

    with override("ko"):
        assert read_detail(changed) == [("등록하지 않은 주문", "허용 → 엄격"), ("x", "켬 → 1")]
        assert read_detail(replay) == [("이벤트 종류", "payment.paid, payment.failed"), ("전달 안 된 것만", "켬")]
    page = reverse("audit", kwargs={"merchant": bakery.id, "mode": "live"})
    text = people("low", bakery, "viewer").get(page).content.decode()
    assert "처리 방식 변경" in text
    assert '<code class="quiet">mode.changed</code>' in text
    assert "등록하지 않은 주문: 허용 → 엄격" in text
