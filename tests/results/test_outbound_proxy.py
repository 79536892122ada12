"""An egress proxy that was set on purpose is a second layer: it sees every attempt, and only what we let pass."""

from pathlib import Path
from typing import Any

import pytest

from results.core.verdict import AttemptError
from results.management.commands.worker import guarded_client
from results.models import Attempt, Delivery
from results.outbound import GuardedClient, OutboundFault
from tenants.models import Duty
from tests.factories import Cast
from tests.results.hostile import HOSTILE, OWN_HOSTS, Hostile, name_server
from tests.results.proxy import Proxy, proxy_to
from tests.results.test_outbound import LOOPBACK, certificate_for, shop_that

PUBLIC = "93.184.215.14"  # never dialled: the proxy leads every name to loopback


def through(proxy: Proxy) -> GuardedClient:
    return GuardedClient(proxy=proxy.url, resolver=name_server([PUBLIC]))


@pytest.mark.asyncio
async def test_every_attempt_is_tunnelled(tmp_path: Path) -> None:
    """Each attempt asks the proxy for a tunnel to the endpoint's name, and TLS ends at the endpoint itself."""
    server, trusting = certificate_for("shop.example", tmp_path)
    async with shop_that(tls=server) as shop, proxy_to(shop.port) as proxy:
        settings: Any = {"proxy": proxy.url, "resolver": name_server([PUBLIC]), "tls": trusting}
        for url in ("https://shop.example/paid", "https://shop.example:8443/paid"):
            async with GuardedClient(**settings) as client:
                reply = await client.post(url, headers={}, body=b'{"a":1}')
            assert (reply.status, reply.error) == (200, None)

    assert proxy.asked == ["CONNECT shop.example:443", "CONNECT shop.example:8443"]
    assert [request.endswith(b'{"a":1}') for request in shop.requests] == [True, True]


@pytest.mark.parametrize("one", HOSTILE, ids=str)
@pytest.mark.asyncio
async def test_address_is_judged_before_the_proxy_is_asked(one: Hostile) -> None:
    """With a proxy every hostile target of the corpus is refused by us, and the proxy hears nothing of it."""
    async with proxy_to(9) as proxy:
        resolver = name_server(one.leads_to)
        async with GuardedClient(proxy=proxy.url, own_hosts=OWN_HOSTS, resolver=resolver) as client:
            reply = await client.post(one.url, headers={}, body=b"{}")

    assert reply.error is AttemptError.FORBIDDEN_TARGET
    assert proxy.asked == []


@pytest.mark.asyncio
async def test_name_that_moves_is_judged_anew_before_each_tunnel(tmp_path: Path) -> None:
    """A name that led outside yesterday and leads inside today is refused before the proxy could follow it."""
    server, trusting = certificate_for("shop.example", tmp_path)
    async with shop_that(tls=server) as shop, proxy_to(shop.port) as proxy:
        settings: Any = {"proxy": proxy.url, "resolver": name_server([PUBLIC], ["127.0.0.1"]), "tls": trusting}
        async with GuardedClient(**settings) as client:
            first, second = [await client.post("https://shop.example/", headers={}, body=b"{}") for _ in range(2)]

    assert (first.status, second.error) == (200, AttemptError.FORBIDDEN_TARGET)
    assert len(proxy.asked) == 1


@pytest.mark.asyncio
async def test_refusal_of_the_proxy_is_a_forbidden_target() -> None:
    """A proxy that may not go there judges the target as we do."""
    async with proxy_to(9, refuses="403 Forbidden") as proxy, through(proxy) as client:
        reply = await client.post("https://shop.example/", headers={}, body=b"{}")

    assert reply.error is AttemptError.FORBIDDEN_TARGET


@pytest.mark.parametrize("said", ["500 Broken", "407 Proxy Authentication Required", "400 Bad Request"])
@pytest.mark.asyncio
async def test_failure_of_the_proxy_is_our_own(said: str) -> None:
    """A proxy that is broken or does not know us is our fault, and no endpoint is blamed."""
    async with proxy_to(9, refuses=said) as proxy, through(proxy) as client:
        with pytest.raises(OutboundFault):
            await client.post("https://shop.example/", headers={}, body=b"{}")


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"])
@pytest.mark.asyncio
async def test_proxies_of_the_environment_are_ignored(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    """A proxy variable that the machine happens to have leads no signed body anywhere."""
    server, trusting = certificate_for("shop.example", tmp_path)
    async with shop_that(tls=server) as shop, proxy_to(shop.port) as proxy:
        monkeypatch.setenv(name, proxy.url)
        settings: Any = {"allowed": LOOPBACK, "resolver": name_server(["127.0.0.1"]), "tls": trusting}
        async with GuardedClient(**settings) as client:
            reply = await client.post(f"https://shop.example:{shop.port}/", headers={}, body=b"{}")

    assert (reply.status, proxy.asked) == (200, [])


def test_outbound_proxy_is_what_the_worker_uses(settings: Any) -> None:
    """OUTBOUND_PROXY sets the worker's one way out; without it there is no proxy."""
    settings.OUTBOUND_PROXY = "http://127.0.0.1:9"
    through = guarded_client()
    settings.OUTBOUND_PROXY = ""
    direct = guarded_client()

    assert through._proxy is not None
    assert direct._proxy is None


def test_callback_without_its_proxy_is_charged_to_nobody(bakery: Cast, run_worker: Any, settings: Any) -> None:
    """While our proxy is down no attempt is made or counted; the callback waits a few seconds and then goes out."""
    settings.OUTBOUND_PROXY = "http://127.0.0.1:9"
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.approve(imp_uid)
    bakery.portone.outbox.wait_for(1)

    run_worker()

    [delivery], [duty] = bakery.rows(Delivery), Duty.objects.filter(kind__in=("deliver", "redeliver"))
    assert (bakery.rows(Attempt), delivery.tries, delivery.given_up_at) == ([], 0, None)
    assert bakery.told() == []
    settings.OUTBOUND_PROXY = ""
    Duty.objects.filter(id=duty.id).update(due_at="2020-01-01T00:00:00Z")
    run_worker()
    assert bakery.told() == ["payment.paid"]
