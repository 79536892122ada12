"""One installation for all tests that kill: a private PostgreSQL server and two merchants, made once."""

from collections.abc import Iterator

import pytest

from tests.faults.merchants import Merchant, merchant_of
from tests.faults.processes import Installation, installed


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("faults")) as installation:
        yield installation


@pytest.fixture(scope="session")
def bakery(installation: Installation) -> Iterator[Merchant]:
    """The merchant of most stories."""
    with merchant_of(installation, "bakery") as merchant:
        yield merchant


@pytest.fixture(scope="session")
def florist(installation: Installation) -> Iterator[Merchant]:
    """The other merchant, who must never hear anything of the bakery's."""
    with merchant_of(installation, "florist") as merchant:
        yield merchant


@pytest.fixture
def quiet(installation: Installation, bakery: Merchant, florist: Merchant) -> Iterator[Installation]:
    """The installation without processes or faults, before the test and after it."""
    yield installation
    installation.kill_everything()
    installation.start_database()  # a story that failed half-way may have left it stopped
    installation.query("DELETE FROM tenants_duty RETURNING id")  # a flood leaves some that wait for minutes
    installation.portone.faults.clear()
    for merchant in (bakery, florist):
        merchant.shop.faults.clear()
        merchant.gives_up()
