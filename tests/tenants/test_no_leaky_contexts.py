"""What the product's code must never say, read from its syntax: leaks between merchants, keys opened elsewhere."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCT = ("config", "tenants", "results", "api")
CONTEXTS = {"schema_context", "tenant_context"}
SWITCHES = {"set_tenant", "set_schema"}
# Who may open which sealed values: a folder or a file of ours.
OPENERS = {
    "tenants_credential": ("results/portone/",),
    "results_endpointsecret": ("results/deliver.py",),
    "results_endpoint": ("results/deliver.py",),
}

Rule = Callable[[str, ast.Module], Iterator[str]]


def leaky_context(path: str, tree: ast.Module) -> Iterator[str]:
    """Find the library's contexts anywhere but in the one way in: as decorators or stored they are shared."""
    if path == "tenants/routing.py":
        tree = ast.Module([node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)], [])
        names = (node for function in tree.body for node in getattr(function, "decorator_list", ()))
    else:
        names = ast.walk(tree)
    for node in names:
        for name in named(node):
            if name in CONTEXTS:
                yield f"{path}:{getattr(node, 'lineno', 0)} uses {name}"


def merchant_as_context(path: str, tree: ast.Module) -> Iterator[str]:
    """Find `with merchant:`: its way back is one list for all threads."""
    for node in ast.walk(tree):
        for item in getattr(node, "items", ()) if isinstance(node, ast.With | ast.AsyncWith) else ():
            name = ast.unparse(item.context_expr).rpartition(".")[2].lower()
            if isinstance(item.context_expr, ast.Name | ast.Attribute) and ("merchant" in name or "tenant" in name):
                yield f"{path}:{node.lineno} enters {name}"


def own_switch(path: str, tree: ast.Module) -> Iterator[str]:
    """Find a change of schema that does not go back by itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in SWITCHES:
            yield f"{path}:{node.lineno} calls {node.attr}"


def vault_opened_elsewhere(path: str, tree: ast.Module) -> Iterator[str]:
    """Find sealed values that are opened outside the one place that may, or whose table cannot be read off."""
    constants = {
        target.id: node.value.value
        for node in tree.body
        for target in (node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)])
        if isinstance(target, ast.Name) and isinstance(getattr(node, "value", None), ast.Constant)
    }
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "open"):
            continue
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        if not given.keys() & {None, "table", "field", "row"}:
            continue
        table = given.get("table")
        name = constants.get(table.id) if isinstance(table, ast.Name) else getattr(table, "value", None)
        if not isinstance(name, str):
            yield f"{path}:{call.lineno} opens what cannot be read off"
        elif not path.startswith(OPENERS.get(name, "")):
            yield f"{path}:{call.lineno} opens {name}"


def other_http(path: str, tree: ast.Module) -> Iterator[str]:
    """Find HTTP clients that follow redirects and read proxies from the environment."""
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        for module in modules:
            if module.partition(".")[0] in ("requests", "urllib3") or module.startswith("urllib.request"):
                yield f"{path}:{node.lineno} imports {module}"


def float_in_core(path: str, tree: ast.Module) -> Iterator[str]:
    """Find a float that is made where money is judged."""
    for node in ast.walk(tree):
        if path.startswith("results/core/") and isinstance(node, ast.Call) and list(named(node.func)) == ["float"]:
            yield f"{path}:{node.lineno} makes a float"


def named(node: ast.AST) -> Iterator[str]:
    """Give the names that a node itself says: imported, called or looked up."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            yield from (alias.name.rpartition(".")[2] for alias in aliases)
        case ast.Call(func=function):
            yield from named(function)


RULES: tuple[Rule, ...] = (
    leaky_context,
    merchant_as_context,
    own_switch,
    vault_opened_elsewhere,
    other_http,
    float_in_core,
)


def sources() -> Iterator[tuple[str, str]]:
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_product_keeps_the_rule(rule: Rule) -> None:
    """No file of the product says what the rule forbids."""
    found = [fault for path, text in sources() for fault in rule(path, ast.parse(text))]

    assert found == []


@pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        (leaky_context, "results/verify.py", "from django_tenants.utils import schema_context"),
        (leaky_context, "results/verify.py", "import django_tenants.utils as u\nwith u.tenant_context(m): pass"),
        (leaky_context, "tenants/routing.py", "@schema_context('bakery')\ndef step(): pass"),
        (leaky_context, "tenants/routing.py", "@utils.tenant_context(m)\ndef step(): pass"),
        (merchant_as_context, "results/verify.py", "with merchant: pass"),
        (merchant_as_context, "results/verify.py", "with self.the_merchant, other: pass"),
        (own_switch, "results/verify.py", "connection.set_tenant(merchant)"),
        (own_switch, "tenants/routing.py", "connection.set_schema('bakery')"),
        (vault_opened_elsewhere, "results/verify.py", "v.open(b, table='tenants_credential', field='token', row=r)"),
        (vault_opened_elsewhere, "api/x.py", "T = 'results_endpointsecret'\nv.open(b, table=T, field='s', row=r)"),
        (vault_opened_elsewhere, "results/endpoints.py", "v.open(b, table='results_endpoint', field='headers', row=r)"),
        (vault_opened_elsewhere, "results/verify.py", "v.open(b, table=anything(), field='s', row=r)"),
        (vault_opened_elsewhere, "results/verify.py", "v.open(b, **where)"),
        (other_http, "results/portone/client.py", "import requests"),
        (other_http, "config/health.py", "from urllib import request"),
        (other_http, "config/health.py", "from urllib.request import urlopen"),
        (float_in_core, "results/core/money.py", "x = float(amount)"),
    ],
)
def test_each_rule_finds_what_it_forbids(rule: Rule, path: str, code: str) -> None:
    """Each rule is able to find the fault that it is about."""
    assert list(rule(path, ast.parse(code)))


@pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        (leaky_context, "tenants/routing.py", "def inside(s):\n    with schema_context(s): yield"),
        (merchant_as_context, "results/verify.py", "with inside(merchant.schema_name): pass"),
        (vault_opened_elsewhere, "results/portone/credentials.py", "v.open(b, table='tenants_credential', row=r)"),
        (vault_opened_elsewhere, "config/x.py", "path.open('rb'); os.open(folder, os.O_DIRECTORY)"),
        (other_http, "results/outbound.py", "from urllib.parse import urlsplit"),
        (float_in_core, "config/env.py", "x = float(text)"),
    ],
)
def test_no_rule_forbids_what_is_right(rule: Rule, path: str, code: str) -> None:
    """The one way in, the one opener and files of other folders are let be."""
    assert not list(rule(path, ast.parse(code)))


def test_nothing_leads_to_portones_cancel() -> None:
    """The address that gives money back stands nowhere outside the simulator."""
    folders = [*(ROOT / folder for folder in PRODUCT), ROOT / "deploy"]
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "node_modules" not in path.parts
    }

    calls = [path for path, text in texts.items() if b"payments/cancel" in text and "deploy/demo/" not in path]
    assert calls == []
    assert any(path.startswith("results/portone/") for path in texts)
