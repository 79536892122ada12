"""No callback ever reaches a hostile target: not when it is stored, not when it is dialled, not days later."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from django.db import connections

from deploy.demo.mischief import Fault
from results.address_guard import GuardedResolver, guarded_socket
from results.core.target import Networks, Refused, Target
from results.core.verdict import AttemptError
from results.core.words import EventType
from results.endpoints import ping
from results.management.commands.worker import conninfo
from results.models import Attempt, Delivery, Endpoint, Event
from results.outbound import GuardedClient, check_target
from results.portone import PortOne
from results.tell import announce
from results.worker import Worker
from tenants.routing import Threads, inside
from tests.factories import Cast
from tests.results.hostile import GOOD, HOSTILE, OWN_HOSTS, Hostile, attempt, name_server, watched
from tests.results.test_outbound import LOOPBACK, ONLY_FIRST, shop_that, with_body

DIALLED = [one for one in HOSTILE if one.leads_to]
STORED = [one for one in HOSTILE if not one.leads_to]


def test_corpus_is_as_large_as_it_claims() -> None:
    """The corpus holds at least sixty targets, none twice, in groups that each hold more than one."""
    groups = [one.group for one in HOSTILE]

    assert len(set(HOSTILE)) == len(HOSTILE) >= 60
    assert len(GOOD) >= 10
    assert all(groups.count(group) > 1 for group in groups)


@pytest.mark.parametrize("one", STORED, ids=str)
def test_hostile_text_is_refused_when_it_is_stored(one: Hostile) -> None:
    """What the text already shows is refused when an endpoint is entered, in a sentence that names the mend."""
    answer = check_target(one.url, own_hosts=OWN_HOSTS)

    assert isinstance(answer, Refused)
    assert one.because in answer.reason


@pytest.mark.parametrize("one", DIALLED, ids=str)
def test_hostile_name_looks_good_when_it_is_stored(one: Hostile) -> None:
    """A name says nothing about where it leads, so these are the ones that only the dialling can refuse."""
    assert isinstance(check_target(one.url, own_hosts=OWN_HOSTS), Target)


@pytest.mark.parametrize("one", HOSTILE, ids=str)
def test_hostile_target_is_never_dialled(one: Hostile) -> None:
    """Every target of the corpus is a forbidden target to the real client, and no connection is even begun."""
    with watched() as dialled:
        reply = asyncio.run(attempt(one))

    assert (reply.status, reply.error) == (None, AttemptError.FORBIDDEN_TARGET)
    assert one.because in reply.detail
    assert dialled == []


@pytest.mark.parametrize(("url", "address"), GOOD.items())
def test_good_target_passes_every_judge(url: str, address: str) -> None:
    """A public https target is stored, resolved and given a socket; nothing of the list is in its way."""
    target = check_target(url, own_hosts=OWN_HOSTS)

    assert isinstance(target, Target)
    asyncio.run(GuardedResolver(name_server([address]), allowed=()).check(target))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    guarded_socket((family, socket.SOCK_STREAM, 6, "", (address, target.port)), allowed=()).close()


@pytest.mark.parametrize(
    "address", [address for one in DIALLED if len(one.leads_to) == 1 and "addr" not in (address := one.leads_to[0])]
)
def test_hostile_address_gets_no_socket(address: str) -> None:
    """The last look alone, at the address that is dialled, refuses what the resolver should have refused."""
    with pytest.raises(OSError, match=r"public|zone"):
        guarded_socket((socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, 443)), allowed=())


SOMETHING_ELSE = (ipaddress.ip_network("203.0.113.0/24"),)  # open, so that odd ports pass the text
SPELLINGS = ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.1", "0", "0x7f.1", "①②⑦.0.0.1", "127.0.0.1.")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens on every address of this machine, in both families where there are two."""
    server = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    server.setblocking(False)
    with server:
        yield server


def visited(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_listener_on_loopback_stays_unvisited(listener: socket.socket, scheme: str) -> None:
    """No spelling of ourselves reaches what listens here, even where odd ports and http are open to something else."""
    port = listener.getsockname()[1]

    async def call_all() -> list[AttemptError | None]:
        async with GuardedClient(allowed=SOMETHING_ELSE) as client:
            urls = [f"{scheme}://{host}:{port}/" for host in SPELLINGS]
            replies = [await client.post(url, headers={}, body=b"{}", deadline=2) for url in urls]
        return [reply.error for reply in replies]

    assert asyncio.run(call_all()) == [AttemptError.FORBIDDEN_TARGET] * len(SPELLINGS)
    assert not visited(listener)


def test_listener_would_notice_a_visit(listener: socket.socket) -> None:
    """The same call with loopback opened does reach it: the silence of the other test means something."""

    async def call() -> None:
        async with GuardedClient(allowed=LOOPBACK) as client:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            await client.post(url, headers={}, body=b"{}", deadline=0.2)

    asyncio.run(call())

    assert visited(listener)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Moved", "308 Moved"])
@pytest.mark.parametrize("where", ["http://127.0.0.1:{port}/", "//[::1]:{port}/", "https://169.254.169.254/"])
@pytest.mark.asyncio
async def test_redirect_to_the_inside_is_not_followed(listener: socket.socket, status: str, where: str) -> None:
    """A redirect is a failed attempt like any other: its location is never asked."""
    moved = with_body(b"", f"Location: {where.format(port=listener.getsockname()[1])}", status=status)
    async with shop_that(moved) as shop, GuardedClient(allowed=ONLY_FIRST) as client:
        reply = await client.post(shop.url, headers={}, body=b"{}")

    assert (reply.status, reply.error) == (int(status[:3]), None)
    assert shop.connections == 1
    assert not visited(listener)


@pytest.mark.parametrize("later", ["127.0.0.2", "10.0.0.8", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
@pytest.mark.asyncio
async def test_name_that_moves_between_two_look_ups_is_refused(later: str) -> None:
    """A name that led to a good address is judged anew at the next connection: good first, hostile then."""
    server = name_server(["127.0.0.1"], [later])
    goodbye = with_body(b"", "Connection: close")
    settings: Any = {"allowed": ONLY_FIRST, "resolver": server, "dns_seconds": 0}  # 127.0.0.1 is the public internet
    async with shop_that(goodbye, host="0.0.0.0") as shop, GuardedClient(**settings) as client:
        url = f"http://shop.example:{shop.port}/"
        first = await client.post(url, headers={}, body=b"{}")
        second = await client.post(url, headers={}, body=b"{}")

    assert (first.status, second.error) == (200, AttemptError.FORBIDDEN_TARGET)
    assert shop.connections == 1


@pytest.mark.asyncio
async def test_name_is_looked_up_once_for_a_connection() -> None:
    """The address that was judged is the one that is dialled: a name server that lies the second time is not asked."""
    asked: list[str] = []

    async def liar(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async with shop_that(host="0.0.0.0") as shop, GuardedClient(allowed=ONLY_FIRST, resolver=liar) as client:
        reply = await client.post(f"http://shop.example:{shop.port}/", headers={}, body=b"{}")

    assert (reply.status, asked) == (200, ["shop.example"])


# Every way on which a delivery goes out, through a real worker: its client is as in production but for the name server.


def work(portone_url: str, client: Callable[[], GuardedClient]) -> None:
    async def run() -> None:
        threads = Threads(2)
        try:
            async with PortOne(portone_url, deadline=3) as portone, client() as guarded:
                worker = Worker(database_url=conninfo(), portone=portone, client=guarded, threads=threads)
                await asyncio.wait_for(worker.drain(), 40)
        finally:
            await threads.run("public", connections.close_all)
            threads.close()

    asyncio.run(run())


def attempts(cast: Cast) -> list[tuple[int, int | None, str]]:
    with inside(cast.merchant.schema_name):
        return list(Attempt.objects.order_by("started_at").values_list("number", "status", "error"))


def owe(cast: Cast, type: EventType, url: str) -> None:
    """Let there be one event for the merchant's one endpoint, which is at this address by now."""
    with inside(cast.merchant.schema_name):
        Endpoint.objects.update(url=url, events=[type])
        announce(cast.route, type, {}, at=datetime.now(UTC))
        assert (Event.objects.count(), Delivery.objects.count()) == (1, 1)


def leads_to(*addresses: str, allowed: Networks = SOMETHING_ELSE) -> Callable[[], GuardedClient]:
    return lambda: GuardedClient(allowed=allowed, own_hosts=OWN_HOSTS, resolver=name_server(addresses))


@pytest.mark.parametrize("way", ["first attempt", "test ping"])
@pytest.mark.parametrize("place", ["127.0.0.1", "::1", "169.254.169.254"])
def test_first_attempt_and_ping_reach_nothing_inside(
    bakery: Cast, settings: Any, listener: socket.socket, way: str, place: str
) -> None:
    """A first attempt, and a test ping, at a name that leads inside are refused and written down as such."""
    url = f"https://shop.example:{listener.getsockname()[1]}/callback"
    if way == "test ping":
        with inside(bakery.merchant.schema_name):
            Endpoint.objects.update(url=url)
            ping(bakery.route, Endpoint.objects.get().id, at=datetime.now(UTC))
    else:
        owe(bakery, EventType.PAID, url)

    work(settings.PORTONE_V1_URL, leads_to("93.184.215.14", place))

    assert attempts(bakery) == [(1, None, "forbidden_target")]
    assert not visited(listener)


def test_retry_and_redelivery_judge_a_name_that_moved(
    bakery: Cast, settings: Any, make_due: Callable[[], None], listener: socket.socket
) -> None:
    """A name that was good when the first attempt was made is refused at a retry days later, and at each after it."""
    bakery.shop.faults.add(Fault(kind="status", status=500, where=("callback",)))
    port = httpx.URL(bakery.return_url).port
    owe(bakery, EventType.PAID, f"http://shop.example:{port}/callback")
    work(settings.PORTONE_V1_URL, leads_to("127.0.0.1", allowed=ONLY_FIRST))

    for address in ("127.0.0.2", "10.0.0.8"):
        make_due()
        work(settings.PORTONE_V1_URL, leads_to(address, allowed=ONLY_FIRST))

    assert attempts(bakery) == [(1, 500, ""), (2, None, "forbidden_target"), (3, None, "forbidden_target")]
