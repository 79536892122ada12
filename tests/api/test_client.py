"""Can a developer make a client from the document, and does the quick start work with it?"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from api.pages import FILE
from tests.api.conftest import Server
from tests.factories import Cast

NAME = "paywitness_client"
Work = Callable[..., None]
Find = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Find]:
    """The client that openapi-python-client makes of the committed document; its modules by their names."""
    folder = tmp_path_factory.mktemp("client")
    config = folder / "config.yml"
    config.write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    command += ["--path", str(FILE), "--output-path", str(folder / NAME), "--config", str(config)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    yield lambda name: import_module(f"{NAME}.{name}")
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


@pytest.fixture
def client(generated: Find, server: Server) -> Any:
    return generated("client").AuthenticatedClient(base_url=server.cast.web, token=server.key)


def test_the_document_makes_a_whole_client(generated: Find) -> None:
    """The generator reads all of it without a warning, and makes a module of every operation."""
    files = Path(str(generated("client").__file__)).parent.glob("api/*/[a-z]*.py")

    assert len(list(files)) == FILE.read_text().count('"operationId": "') - FILE.read_text().count(
        '"operationId": "hear'
    )


def test_the_quick_start_works_with_it(generated: Find, client: Any, bakery: Cast, run_worker: Work) -> None:
    """Register an order, let it be paid, read it, its payment and its event, and tell the event again."""
    models = generated("models")
    new = models.NewOrder(id="order-1042", amount=64900, name="식빵 두 개")

    made = generated("api.orders.create_order").sync(client=client, body=new, idempotency_key="k-1")
    again = generated("api.orders.create_order").sync(client=client, body=new, idempotency_key="k-1")
    bakery.portone.approve(bakery.opens_window("order-1042"))
    run_worker(until=lambda: bool(bakery.told("order-1042")))
    order = generated("api.orders.get_order").sync(order_id="order-1042", client=client)
    events = generated("api.events.list_events").sync(client=client, order="order-1042")
    payments = generated("api.payments.list_payments").sync(client=client, order="order-1042")
    plan = generated("api.replays.create_replay").sync(
        client=client, body=models.ReplayIn(filter_=models.ReplayFilter(order="order-1042"), dry_run=True)
    )

    assert made == again
    assert (made.status, order.status) == (models.OrderStatus.REGISTERED, models.OrderStatus.PAID)
    assert [event.type_ for event in events.data] == [models.EventType.PAYMENT_PAID]
    assert events.data[0].data.payment.amount.captured == 64900
    assert payments.data[0].verification.result == models.Verified.MATCHED
    assert payments.data[0].id == events.data[0].data.payment.id
    assert (plan.events, plan.shares[0].deliveries) == (1, 1)


def test_a_refusal_is_read_as_a_problem(generated: Find, client: Any) -> None:
    """What cannot be done comes as a ProblemDocument, by which a program can decide."""
    refused = generated("api.orders.get_order").sync_detailed(order_id="order-9", client=client)

    assert refused.status_code == 404
    assert (type(refused.parsed).__name__, refused.parsed.type_) == ("ProblemDocument", "/problems/order_not_found")
