"""Calls to strangers' servers: real servers on loopback, most of them behaving badly."""

import asyncio
import errno
import gzip
import ipaddress
import logging
import re
import socket
import ssl
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from results.address_guard import (
    ForbiddenAddress,
    GuardedResolver,
    SystemResolver,
    guarded_connector,
    guarded_socket,
)
from results.core.target import Refused, Target
from results.core.verdict import AttemptError, Reply
from results.outbound import GuardedClient, OutboundFault, check_target

pytestmark = pytest.mark.asyncio

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
ONLY_FIRST = (ipaddress.ip_network("127.0.0.1/32"),)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Shop:
    """A merchant's server: keeps every request as it came over the wire, and answers as it is told."""

    def __init__(self, answer: bytes | Answer) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.asked = asyncio.Event()
        self.hung_up = asyncio.Event()
        self.port = 0
        self._answer = answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/paid"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                self.requests.append(await read_request(reader))
                self.asked.set()
                await self._respond(writer)
        self.hung_up.set()
        writer.close()

    async def _respond(self, writer: asyncio.StreamWriter) -> None:
        if callable(self._answer):
            await self._answer(writer)
        else:
            writer.write(self._answer)
            await writer.drain()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return head + await reader.readexactly(int(length[1]) if length else 0)


@asynccontextmanager
async def shop_that(
    answer: bytes | Answer = OK, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Shop]:
    shop = Shop(answer)
    server = await asyncio.start_server(shop.serve, host, 0, ssl=tls)
    shop.port = server.sockets[0].getsockname()[1]
    try:
        yield shop
    finally:
        server.close()


def answers(*turns: list[str]) -> Callable[[str, int], Awaitable[list[str]]]:
    """Be a name server that gives these addresses, turn by turn, and the last ones for ever."""
    waiting = list(turns)

    async def resolver(host: str, port: int) -> list[str]:
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return resolver


async def post(url: str, *, client: dict[str, Any] | None = None, **options: Any) -> Reply:
    settings: dict[str, Any] = {"allowed": LOOPBACK, **(client or {})}
    async with GuardedClient(**settings) as guarded:
        return await guarded.post(url, **{"headers": {}, "body": b"{}", **options})


async def hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def hang_up_after(sent: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        writer.close()

    return answer


async def talk_for_ever(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()


def with_body(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


# The ordinary day


async def test_the_body_arrives_byte_for_byte():
    """The endpoint gets our bytes and our headers, is asked for no encoding, and its answer is kept."""
    async with shop_that() as shop:
        reply = await post(shop.url, headers={"Webhook-Id": "evt_1", "Accept-Encoding": "gzip"}, body=b'{"a":1}')

    head, _, body = shop.requests[0].partition(b"\r\n\r\n")
    assert body == b'{"a":1}'
    assert b"webhook-id: evt_1" in head.lower()
    assert re.findall(rb"accept-encoding: (\S+)", head.lower()) == [b"identity"]
    assert (reply.status, reply.error, reply.body, reply.truncated) == (200, None, b"ok", False)


async def test_a_refusal_of_the_merchant_is_a_status_not_an_error():
    """Any status line is an answer, and Retry-After comes with it as it was written."""
    async with shop_that(with_body(b"later", "Retry-After: 120", status="503 Busy")) as shop:
        reply = await post(shop.url)

    assert (reply.status, reply.error, reply.retry_after, reply.body) == (503, None, "120", b"later")


async def test_a_redirect_is_not_followed():
    """A 3xx is returned as it is and its location is never asked."""
    async with shop_that() as elsewhere:
        moved = with_body(b"", f"Location: {elsewhere.url}", status="307 Moved")
        async with shop_that(moved) as shop:
            reply = await post(shop.url)

    assert reply.status == 307
    assert elsewhere.connections == 0


async def test_one_connection_serves_many_calls():
    """Calls to one endpoint share a connection."""
    async with shop_that() as shop, GuardedClient(allowed=LOOPBACK) as client:
        for _ in range(3):
            await client.post(shop.url, headers={}, body=b"{}")

    assert (len(shop.requests), shop.connections) == (3, 1)


async def test_cookies_are_forgotten():
    """What one answer sets is never sent with a later call."""
    sets_cookie = with_body(b"", "Set-Cookie: who=bakery; Path=/")
    async with shop_that(sets_cookie) as shop, GuardedClient(allowed=LOOPBACK) as client:
        await client.post(shop.url, headers={}, body=b"{}")
        await client.post(shop.url, headers={}, body=b"{}")

    assert b"bakery" not in shop.requests[1]


async def test_proxy_variables_of_the_environment_are_ignored(monkeypatch):
    """Only a proxy that was set on purpose is used."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    async with shop_that() as shop:
        reply = await post(shop.url)

    assert reply.status == 200


# Held up


async def test_a_server_that_hangs_is_a_timeout():
    """No status line by the deadline is a timeout."""
    async with shop_that(hang) as shop:
        reply = await post(shop.url, deadline=0.2)

    assert (reply.status, reply.error) == (None, AttemptError.TIMEOUT)
    assert 190 <= reply.duration_ms < 1000


async def test_a_body_that_does_not_end_by_the_deadline_is_a_timeout():
    """The deadline covers the body, even when the status line was a success."""

    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nslow")
        await asyncio.Event().wait()

    async with shop_that(trickle) as shop:
        reply = await post(shop.url, deadline=0.2)

    assert (reply.status, reply.error) == (200, AttemptError.TIMEOUT)
    assert (reply.body, reply.truncated) == (b"slow", True)


async def test_a_name_server_that_hangs_is_a_timeout():
    """The deadline covers the look-up of the name."""

    async def resolver(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    reply = await post("https://bakery.example/", client={"resolver": resolver}, deadline=0.1)

    assert reply.error is AttemptError.TIMEOUT


async def test_names_that_hang_hold_up_no_other_name(monkeypatch):
    """A merchant's 180 calls in flight may all wait for a name server that says nothing: others are called at once."""
    answered, known = threading.Event(), socket.getaddrinfo

    def look_up(host, *args, **options):
        if host.endswith(".hangs.example"):
            answered.wait(10)
        return known("127.0.0.1", *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    resolver = SystemResolver()
    try:
        hanging = [asyncio.create_task(resolver(f"shop-{number}.hangs.example", 443)) for number in range(180)]
        await asyncio.sleep(0)
        found = await asyncio.wait_for(resolver("bakery.example", 443), timeout=5)
    finally:
        answered.set()
        await asyncio.gather(*hanging)
        resolver.close()

    assert found == ["127.0.0.1"]


async def test_being_cancelled_is_not_the_endpoints_fault():
    """A call that we break off ourselves leaves no reply behind."""
    async with shop_that(hang) as shop:
        call = asyncio.create_task(post(shop.url))
        await shop.asked.wait()
        call.cancel()

        with pytest.raises(asyncio.CancelledError):
            await call


# Broken off


async def test_a_connection_closed_without_an_answer_is_a_protocol_error():
    """A server that hangs up instead of answering has not heard us."""
    async with shop_that(hang_up_after(b"")) as shop:
        reply = await post(shop.url)

    assert (reply.status, reply.error) == (None, AttemptError.PROTOCOL)


async def test_something_other_than_http_is_a_protocol_error():
    """An answer that is no HTTP is a protocol error, and the detail quotes neither it nor our URL."""
    async with shop_that(hang_up_after(b"220 mail.example ESMTP\r\n\r\n")) as shop:
        reply = await post(shop.url + "/private-path?token=private-query")

    assert reply.error is AttemptError.PROTOCOL
    assert reply.detail
    assert "private" not in reply.detail
    assert "ESMTP" not in reply.detail


@pytest.mark.parametrize("framing", [b"content-length: 100\r\n\r\nhal", b"transfer-encoding: chunked\r\n\r\n3\r\nhal"])
async def test_a_status_line_stands_when_the_body_breaks_off(framing):
    """A success whose body breaks off is still a success, marked truncated."""
    async with shop_that(hang_up_after(b"HTTP/1.1 200 OK\r\n" + framing)) as shop:
        reply = await post(shop.url)

    assert (reply.status, reply.error, reply.body, reply.truncated) == (200, None, b"hal", True)
    assert "broke off" in reply.detail


# Filled up


async def test_an_endless_body_is_cut_at_the_cap():
    """At most `cap` bytes are read and kept, the reply is marked truncated, and we hang up."""
    async with shop_that(talk_for_ever) as shop, GuardedClient(allowed=LOOPBACK) as client:
        reply = await client.post(shop.url, headers={}, body=b"{}")
        await asyncio.wait_for(shop.hung_up.wait(), 5)

    assert (reply.status, len(reply.body), reply.truncated) == (200, 16_384, True)


async def test_a_body_of_exactly_the_cap_is_whole():
    """Truncated means that something is missing."""
    async with shop_that(with_body(b"x" * 10)) as shop:
        reply = await post(shop.url, cap=10)

    assert (len(reply.body), reply.truncated) == (10, False)


async def test_a_gzip_bomb_is_unpacked_only_to_the_cap():
    """The cap counts unpacked bytes, whatever was sent against our wish, and no more are ever in memory."""
    bomb = with_body(gzip.compress(b"\0" * 50_000_000), "Content-Encoding: gzip")
    async with shop_that(bomb) as shop, GuardedClient(allowed=LOOPBACK) as client:
        tracemalloc.start()
        reply = await client.post(shop.url, headers={}, body=b"{}")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert (reply.status, len(reply.body), reply.truncated) == (200, 16_384, True)
    assert most < 2_000_000


async def test_a_gzipped_answer_is_read():
    """A small gzipped answer is kept unpacked."""
    async with shop_that(with_body(gzip.compress(b"thanks"), "Content-Encoding: gzip")) as shop:
        reply = await post(shop.url)

    assert (reply.body, reply.truncated) == (b"thanks", False)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
async def test_other_encodings_are_left_packed(coding):
    """A body in an encoding that cannot be bounded is not kept, and its status stands."""
    async with shop_that(with_body(b"whatever", f"Content-Encoding: {coding}")) as shop:
        reply = await post(shop.url)

    assert (reply.status, reply.error, reply.body, reply.truncated) == (200, None, b"", True)


async def test_a_body_that_lies_about_its_encoding_keeps_its_status():
    """A body that is not what it claims to be is marked truncated."""
    async with shop_that(with_body(b"plain text", "Content-Encoding: gzip")) as shop:
        reply = await post(shop.url)

    assert (reply.status, reply.error, reply.truncated) == (200, None, True)


@pytest.mark.parametrize("headers", [["X-Big: " + "x" * 100_000], ["X-Many: 1"] * 1000], ids=["long", "many"])
async def test_too_much_header_is_refused(headers):
    """A header line, or a number of them, beyond all reason ends the call."""
    async with shop_that(with_body(b"", *headers)) as shop:
        reply = await post(shop.url)

    assert reply.error is AttemptError.TOO_LARGE


async def test_a_retry_after_without_end_is_cut():
    """No header of a stranger is kept at length."""
    async with shop_that(with_body(b"", "Retry-After: " + "9" * 5000, status="429 Slow")) as shop:
        reply = await post(shop.url)

    assert reply.retry_after == "9" * 100


# Not reached


async def test_a_closed_port_is_refused():
    """Where nobody listens, the coarse error is refused and the detail names the cause."""
    async with shop_that() as shop:
        pass

    reply = await post(shop.url)

    assert reply.error is AttemptError.REFUSED
    assert "Connect call failed" in reply.detail


async def test_a_name_that_does_not_exist_is_dns():
    """A name without an address is a DNS error, not a timeout."""

    async def resolver(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    reply = await post("https://bakery.invalid/", client={"resolver": resolver})

    assert reply.error is AttemptError.DNS
    assert "not known" in reply.detail


async def test_a_name_with_no_addresses_is_dns():
    """An empty answer of the name server is a DNS error too."""
    reply = await post("https://bakery.invalid/", client={"resolver": answers([])})

    assert reply.error is AttemptError.DNS


async def test_having_no_files_left_is_our_own_fault():
    """What we lack ourselves is raised, and never counted against the endpoint."""

    async def resolver(host: str, port: int) -> list[str]:
        raise OSError(errno.EMFILE, "Too many open files")

    with pytest.raises(OutboundFault):
        await post("https://bakery.example/", client={"resolver": resolver})


# Led astray


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.8",
        "2130706433",
        "0x7f.1",
        "127.1",
        "①②⑦.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fe80::1%25eth0]",
        "localhost",
        "localhost.",
        "169.254.169.254",
    ],
)
async def test_private_addresses_are_refused_in_every_spelling(host):
    """Without allowed networks no spelling of a private address is called."""
    reply = await post(f"https://{host}/", client={"allowed": ()})

    assert (reply.status, reply.error) == (None, AttemptError.FORBIDDEN_TARGET)


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f.1", "2130706433"])
async def test_what_the_system_resolves_to_loopback_is_refused(host):
    """The resolver looks at addresses and not at text: whatever leads to loopback is refused."""
    resolver = GuardedResolver(SystemResolver(), allowed=())

    with pytest.raises(ForbiddenAddress):
        await resolver.resolve(host, 443)


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, ("127.0.0.1", 443)),
        (socket.AF_INET6, ("::1", 443, 0, 0)),
        (socket.AF_INET6, ("::ffff:127.0.0.1", 443, 0, 0)),
        (socket.AF_INET6, ("2606:4700::1111", 443, 0, 3)),
        (socket.AF_INET, ("8.8.8.8", 22)),
    ],
)
async def test_no_socket_is_made_for_a_forbidden_address(family, address):
    """The last look, at the address that is dialled, also sees zones and ports."""
    with pytest.raises(ForbiddenAddress):
        guarded_socket((family, socket.SOCK_STREAM, 6, "", address), allowed=())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1"])
async def test_the_pool_itself_dials_nothing_forbidden(host):
    """Even a URL that nobody has read first, and an address that no resolver sees, comes to no connection."""
    pool = guarded_connector(GuardedResolver(answers(["127.0.0.1"]), allowed=()), allowed=())
    async with shop_that() as shop, aiohttp.ClientSession(connector=pool) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as refusal:
            await session.post(f"http://{host}:{shop.port}/")

    assert isinstance(refusal.value.os_error, ForbiddenAddress)
    assert shop.connections == 0


async def test_one_forbidden_address_among_good_ones_is_enough():
    """A name that leads to a good and a forbidden address is refused, and nobody is called."""
    async with shop_that() as shop:
        url = f"http://bakery.example:{shop.port}/"
        reply = await post(url, client={"resolver": answers(["127.0.0.1", "10.0.0.1"])})

    assert reply.error is AttemptError.FORBIDDEN_TARGET
    assert "10.0.0.0/8" in reply.detail
    assert shop.connections == 0


async def test_a_name_that_is_rebound_is_refused_at_its_next_connection():
    """A name that led to a good address once is looked at again when it is dialled again."""
    goodbye = with_body(b"", "Connection: close")
    settings = {"allowed": ONLY_FIRST, "resolver": answers(["127.0.0.1"], ["127.0.0.2"]), "dns_seconds": 0}
    async with shop_that(goodbye, host="0.0.0.0") as shop, GuardedClient(**settings) as client:
        url = f"http://bakery.example:{shop.port}/"
        first = await client.post(url, headers={}, body=b"{}")
        second = await client.post(url, headers={}, body=b"{}")

    assert (first.status, second.error) == (200, AttemptError.FORBIDDEN_TARGET)
    assert shop.connections == 1


@pytest.mark.parametrize("url", ["http://bakery.example/", "https://bakery.example:9443/"])
async def test_http_and_odd_ports_stay_inside_the_allowed_networks(url):
    """Open networks for development do not open the rest of the world to http or odd ports."""
    reply = await post(url, client={"resolver": answers(["8.8.8.8"])})

    assert reply.error is AttemptError.FORBIDDEN_TARGET


async def test_ourselves_are_never_called():
    """A callback to one of our own hosts is refused."""
    async with shop_that() as shop:
        reply = await post(shop.url, client={"own_hosts": frozenset({f"127.0.0.1:{shop.port}"})})

    assert reply.error is AttemptError.FORBIDDEN_TARGET
    assert shop.connections == 0


async def test_a_target_is_stored_in_one_spelling():
    """Lower case, no default port, international parts encoded; reading it again changes nothing."""
    target = check_target("HTTPS://가게.한국:443/결제?a=b%20c")

    assert isinstance(target, Target)
    assert target.url == "https://xn--o39akk.xn--3e0b707e/%EA%B2%B0%EC%A0%9C?a=b%20c"
    assert (target.host, target.port) == ("xn--o39akk.xn--3e0b707e", 443)
    assert check_target(target.url) == target


@pytest.mark.parametrize(
    "url", ["http://bakery.example/", "https://1.2.3.4.5/", "https://[1:2]/", "https://256.1.1.1/"]
)
async def test_an_unusable_url_is_refused_with_its_mend(url):
    """What cannot be called is refused when it is entered, in one sentence."""
    answer = check_target(url)

    assert isinstance(answer, Refused)
    assert answer.reason.endswith(".")


async def test_urls_are_not_logged(caplog):
    """The client's own log lines, which would hold the URL, do not appear."""
    caplog.set_level(logging.INFO)

    async with shop_that() as shop:
        await post(shop.url + "?token=private")

    assert "private" not in caplog.text


# TLS


def certificate_for(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's context with a certificate for the name, and a client's context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(pem + key.private_bytes(*formats))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "both.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_a_certificate_nobody_vouches_for_is_a_tls_error(tmp_path):
    """Certificates are checked by default."""
    server, _ = certificate_for("bakery.example", tmp_path)
    async with shop_that(tls=server) as shop:
        url = f"https://bakery.example:{shop.port}/"
        reply = await post(url, client={"resolver": answers(["127.0.0.1"])})

    assert (reply.error, shop.requests) == (AttemptError.TLS, [])


async def test_plain_http_behind_https_is_a_tls_error():
    """A server that does not speak TLS where it should is a TLS error."""

    async def speak_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(with_body(b"", status="400 Bad Request"))
        writer.close()

    server = await asyncio.start_server(speak_plainly, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reply = await post(f"https://127.0.0.1:{port}/")

    assert reply.error is AttemptError.TLS


async def test_a_call_never_rides_on_anothers_tls_connection(tmp_path):
    """Two names at one address have a connection each, each certificate checked against its own name."""
    server, trusting = certificate_for("bakery.example", tmp_path)
    settings = {"allowed": LOOPBACK, "resolver": answers(["127.0.0.1"]), "tls": trusting}
    async with shop_that(tls=server) as shop, GuardedClient(**settings) as client:
        bakery = await client.post(f"https://bakery.example:{shop.port}/", headers={}, body=b"bread")
        florist = await client.post(f"https://florist.example:{shop.port}/", headers={}, body=b"roses")

    assert (bakery.status, florist.error) == (200, AttemptError.TLS)
    assert len(shop.requests) == 1


# Through a proxy


async def test_with_a_proxy_every_call_goes_through_it():
    """The proxy is asked for the endpoint's URL, and nothing else is dialled."""
    async with shop_that() as proxy:
        settings = {"proxy": f"http://127.0.0.1:{proxy.port}", "resolver": answers(["127.0.0.1"])}
        reply = await post("http://bakery.example:81/paid", client=settings)

    assert reply.status == 200
    assert proxy.requests[0].startswith(b"POST http://bakery.example:81/paid HTTP/1.1")


@pytest.mark.parametrize("url", ["https://bakery.example/", "https://10.0.0.1/", "http://10.0.0.1:81/"])
async def test_with_a_proxy_forbidden_addresses_are_still_refused(url):
    """What we can see to be forbidden is not even asked of the proxy."""
    async with shop_that() as proxy:
        settings = {"proxy": f"http://127.0.0.1:{proxy.port}", "resolver": answers(["10.0.0.1"])}
        reply = await post(url, client=settings)

    assert reply.error is AttemptError.FORBIDDEN_TARGET
    assert proxy.connections == 0


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (with_body(b"", status="502 Bad Gateway"), AttemptError.REFUSED),
        (with_body(b"", status="504 Gateway Timeout"), AttemptError.TIMEOUT),
        (with_body(b"", status="403 Forbidden"), AttemptError.FORBIDDEN_TARGET),
        (with_body(b"", "X-Smokescreen-Error: denied", status="407 Denied"), AttemptError.FORBIDDEN_TARGET),
    ],
    ids=["down", "slow", "forbidden", "smokescreen"],
)
async def test_what_a_proxy_says_about_the_endpoint_is_the_endpoints(answer, error):
    """A working proxy that cannot or may not reach the endpoint speaks for the endpoint."""
    async with shop_that(answer) as proxy:
        settings = {"proxy": f"http://127.0.0.1:{proxy.port}", "resolver": answers(["8.8.8.8"])}
        reply = await post("https://bakery.example/", client=settings)

    assert reply.error is error


async def test_a_proxy_that_is_down_is_our_own_fault():
    """An endpoint is not blamed for our proxy."""
    async with shop_that() as proxy:
        pass

    with pytest.raises(OutboundFault):
        await post("http://127.0.0.1:81/", client={"proxy": f"http://127.0.0.1:{proxy.port}"})


async def test_a_proxy_that_refuses_our_password_is_our_own_fault():
    """An endpoint is not blamed for our password at the proxy."""
    async with shop_that(with_body(b"", status="407 Proxy Authentication Required")) as proxy:
        settings = {"proxy": f"http://127.0.0.1:{proxy.port}", "resolver": answers(["8.8.8.8"])}

        with pytest.raises(OutboundFault):
            await post("https://bakery.example/", client=settings)
