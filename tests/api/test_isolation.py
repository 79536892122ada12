"""Does anything of one merchant show to another? Strangers' keys try every operation of the document."""

import json
from typing import Any

import pytest

from api.pages import FILE
from tests.api.conftest import Server, Serves
from tests.api.stock import Stock, stock_up
from tests.factories import Cast

DOCUMENT: dict[str, Any] = json.loads(FILE.read_bytes())
# By name and method, so that a failure says which; those that name one of something, and those that do not.
ALL = [
    (operation["operationId"], method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
OF_ONE = [one for one in ALL if "{" in one[2]]
OF_ALL = [one for one in ALL if "{" not in one[2] and one[1] == "GET"]


@pytest.fixture
def stock(bakery: Cast) -> Stock:
    """One of everything of the bakery's that an address can name."""
    return stock_up(bakery)


@pytest.fixture(params=["florist", "test_bakery"])
def stranger(request: pytest.FixtureRequest, florist: Cast, test_bakery: Cast, serves: Serves) -> Server:
    """Another merchant's server, or the bakery's own of the other mode, that may do everything."""
    return serves({"florist": florist, "test_bakery": test_bakery}[request.param])


def address(path: str, ids: dict[str, str]) -> str:
    """Return an address below /api/v1 with ids in place; a new kind of id needs a sample in tests/api/stock.py."""
    return path.removeprefix("/api/v1").format(**ids)


def body_of(operation: dict[str, Any]) -> object:
    """Return the document's own example of a request, or nothing."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return content["examples"]["usual"]["value"] if content else None


def test_no_stranger_finds_anything(stock: Stock, stranger: Server, server: Server) -> None:
    """Whatever has an id is a 404 for every stranger, by every method, and stays as it was."""
    before = everything(server, stock)

    answers = {}
    for name, method, path, operation in OF_ONE:
        asked = body_of(operation)
        # If-Match: * lets nobody make what is not there, which PUT does otherwise, among the stranger's own.
        answer = stranger.asks(method, address(path, stock.ids), asked, If_Match="*")
        answers[name] = (answer.status_code, answer.json().get("type", "").endswith("_not_found"))

    assert {name: said for name, said in answers.items() if said != (404, True)} == {}
    assert len(answers) == len(OF_ONE) > 20
    assert everything(server, stock) == before


def test_no_list_of_a_strangers_shows_anything(stock: Stock, stranger: Server, bakery: Cast) -> None:
    """Nothing that can be read without an id holds an id, a number or an address of the bakery's, filtered or not."""
    secrets = [*stock.ids.values(), "imp_000000000001", bakery.return_url, bakery.key("browser").key]

    for _name, _method, path, operation in OF_ALL:
        filters = [one["name"] for one in operation["parameters"] if one.get("in") == "query"]
        queries = ["", *(f"?{name}={stock.ids[f'{name}_id']}" for name in filters if f"{name}_id" in stock.ids)]
        for query in queries:
            read = stranger.asks("GET", path.removeprefix("/api/v1") + query)
            assert read.status_code == 200, read.text
            assert [secret for secret in secrets if secret in read.text] == [], path + query
            assert not query or read.json()["data"] == [], path + query


@pytest.mark.parametrize("named", ["event", "endpoint", "order"])
def test_no_request_may_name_anything_of_anothers(stock: Stock, stranger: Server, named: str) -> None:
    """Ids in a body are as unknown as in an address."""
    refused = stranger.asks("POST", "/replays", {"filter": {named: stock.ids[f"{named}_id"]}, "dry_run": True})

    assert (refused.status_code, refused.json()["field"]) == (404, f"filter.{named}")


def test_the_owner_finds_everything(stock: Stock, server: Server) -> None:
    """The same ids are there for the bakery's own key, or the tests above would prove nothing."""
    named = {one["name"] for *_rest, operation in OF_ONE for one in operation["parameters"] if one.get("in") == "path"}

    assert named == set(stock.ids), "give tests/api/stock.py one of each, and nothing that no address names"
    assert set(everything(server, stock)) == {name for name, method, *_rest in ALL if method == "GET"}


def everything(server: Server, stock: Stock) -> dict[str, Any]:
    """Return all that its owner can read of the stock."""
    paths = [(name, address(path, stock.ids)) for name, method, path, _operation in ALL if method == "GET"]
    return {name: without_time(server.gets(path)) for name, path in paths}


def without_time(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "at"}
