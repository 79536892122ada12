"""Korean and English are each whole: no sentence lacks its Korean, no page mixes the two."""

import ast
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
from django.conf import settings
from django.template import engines
from django.templatetags.i18n import BlockTranslateNode, TranslateNode
from django.test import Client
from django.utils.translation import trans_real, trim_whitespace

from tests.dashboard.every_page import customers, every_page
from tests.factories import Cast
from tests.people import People

Work = Callable[..., None]
ROOT: Final = Path(settings.BASE_DIR)
CALLS: Final = {"_": 1, "gettext": 1, "gettext_lazy": 1, "ngettext": 2, "ngettext_lazy": 2}  # and their sentences
CATALOGS: Final = sorted(ROOT.glob("config/locale/ko/LC_MESSAGES/django.po"))
HANGUL: Final = re.compile(r"[가-힣]+")
ENGLISH: Final = re.compile(r"\b[A-Za-z][a-z]+(?:,? [A-Za-z][a-z']*){2,}")
LINES: Final = r'(?:".*"\n?)+'
ENTRY: Final = re.compile(rf"^msgid ({LINES}(?:msgid_plural {LINES})?)msgstr(?:\[0\])? ({LINES})", re.M)
# Of the stories' own data: a bank, a card's issuer, who holds the account.
NAMES: Final = {"신한은행", "국민카드", "데모상점", "한국어"}


def in_templates() -> Iterator[str]:
    """Yield every sentence of the templates, as it is looked up."""
    for folder in ("config/templates", "tenants/templates", "results/templates"):
        for file in sorted((ROOT / folder).rglob("*.html")):
            nodes = engines["django"].from_string(file.read_text()).template.nodelist  # type: ignore[attr-defined]
            for node in nodes.get_nodes_by_type(TranslateNode):
                if isinstance(node.filter_expression.var.literal, str):
                    yield with_context(node, node.filter_expression.var.literal.replace("%", "%%"))
            for node in nodes.get_nodes_by_type(BlockTranslateNode):
                said = node.render_token_list(node.singular)[0]
                yield with_context(node, trim_whitespace(said) if node.trimmed else said)


def with_context(node: TranslateNode | BlockTranslateNode, sentence: str) -> str:
    return f"{node.message_context.var}\x04{sentence}" if node.message_context else sentence


def in_python() -> Iterator[str]:
    """Yield every sentence of the code."""
    for folder in ("config", "tenants", "results", "api"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
                    yield from (str(one.value) for one in node.args[:1] if isinstance(one, ast.Constant))


class Said(HTMLParser):
    """Collects what a page says to people: its text and the words of its attributes, but no codes."""

    SILENT = ("script", "style", "code", "pre", "bdi")
    VOID = ("meta", "link", "input", "img", "br", "hr", "path", "rect", "circle")
    SPOKEN = ("aria-label", "placeholder", "alt", "title")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[bool] = []
        self.said: list[str] = []
        self.language = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.language = self.language or named.get("lang") or ""
        foreign = named.get("lang", self.language) != self.language
        if not any(self.open) and not foreign:
            self.said += [value for name, value in attrs if value and name in self.SPOKEN]
        if tag not in self.VOID:
            self.open.append(foreign or tag in self.SILENT)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID and self.open:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self.open):
            self.said.append(data)


def test_every_sentence_exists_in_korean() -> None:
    """Whatever a template or the code says in English is in the Korean catalogs."""
    korean = trans_real.translation("ko")

    missing = [one for one in dict.fromkeys((*in_templates(), *in_python())) if not said_in(korean, one)]

    assert missing == []


def said_in(korean: trans_real.DjangoTranslation, sentence: str) -> bool:
    catalog = korean._catalog  # type: ignore[attr-defined]
    return bool(sentence.strip() == "" or catalog.get(sentence) or catalog.get((sentence, 0)))


@pytest.mark.parametrize("catalog", CATALOGS, ids=lambda path: path.parts[-4])
def test_no_translation_is_unsure_or_empty(catalog: Path) -> None:
    """No entry of a catalog is fuzzy, empty, or fills in what its sentence does not have."""
    text = catalog.read_text()
    entries = ENTRY.findall(text)

    assert "fuzzy" not in text
    for sentence, said in entries[1:]:
        assert said.replace('"', "").strip(), sentence
        assert set(re.findall(r"%\(\w+\)s", said)) <= set(re.findall(r"%\(\w+\)s", sentence)), sentence


@pytest.mark.parametrize("language", ["ko", "en"])
def test_no_page_mixes_languages(bakery: Cast, run_worker: Work, people: People, language: str) -> None:
    """A page in Korean says no English sentence; one in English no Korean word, names and console paths apart."""
    results = customers(bakery, run_worker)
    allowed = NAMES | {word for one in (*in_templates(), *in_python()) for word in HANGUL.findall(one)}

    pages = every_page(bakery, people("mina", bakery.merchant), Client(), results, language)

    mixed = {}
    pages.pop("nothing")  # it knows nothing of who asks, and says everything twice
    for name, text in pages.items():
        said = Said(text)
        assert said.language == language, name
        foreign = (HANGUL if language == "en" else ENGLISH).findall("\n".join(said.said))
        mixed[name] = [words for words in foreign if words not in allowed]
    assert {name: words for name, words in mixed.items() if words} == {}
