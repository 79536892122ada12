"""Where a callback may go, as far as text and addresses can tell."""

from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.core.target import DENIED, Refused, forbidden, forbidden_connection, judge_target, spell_out

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize("network", DENIED, ids=str)
def test_a_denied_network_is_shut_from_its_first_address_to_its_last(network):
    """Both ends of every denied network are refused."""
    assert forbidden(network[0])
    assert forbidden(network[-1])


@pytest.mark.parametrize(
    "address",
    [
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001::1",
        "fd00:ec2::254",
        "169.254.169.254",
        "100.100.100.200",
        "192.0.0.192",
        "255.255.255.255",
    ],
)
def test_roads_around_the_list_are_shut(address):
    """Mapped, translated, tunnelled and metadata addresses are refused."""
    assert forbidden(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "100.128.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111"])
def test_public_addresses_are_open(address):
    """An address outside every denied network may be called."""
    assert forbidden(address) is None


@pytest.mark.parametrize("address", ["2606:4700::1111%eth0", "fe80::1%2", "not an address", "127.1", ""])
def test_what_is_no_plain_address_is_refused(address):
    """A zone id, or anything that is not an address, is refused even where everything is allowed."""
    assert forbidden(address, (ip_network("::/0"), ip_network("0.0.0.0/0")))


def test_an_allowed_network_opens_what_it_lists():
    """An allowed network opens its own addresses and no others."""
    assert forbidden("127.0.0.1", LOOPBACK) is None
    assert forbidden("10.0.0.1", LOOPBACK)


def test_an_allowed_network_does_not_open_the_mapped_spelling():
    """Allowing 127.0.0.0/8 leaves ::ffff:127.0.0.1 shut; only its own network opens it."""
    assert forbidden("::ffff:127.0.0.1", LOOPBACK)
    assert forbidden("::ffff:127.0.0.1", (ip_network("::ffff:0:0/96"),)) is None


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_never_safer_than_ours(address: IPv4Address):
    """Every IPv4 address in IPv6 clothes is refused."""
    assert forbidden(f"::ffff:{address}")


def test_odd_ports_are_open_inside_allowed_networks_only():
    """Outside the allowed networks a connection goes to port 443 or 8443."""
    assert forbidden_connection("127.0.0.1", port=80, allowed=LOOPBACK) is None
    assert forbidden_connection("8.8.8.8", port=80, allowed=LOOPBACK)
    assert forbidden_connection("8.8.8.8", port=443, allowed=LOOPBACK) is None
    assert forbidden_connection(ip_address("8.8.8.8"), port=8443) is None


@pytest.mark.parametrize(
    ("url", "spelled"),
    [
        ("https://shop.example/paid?id=1", "https://shop.example/paid?id=1"),
        ("https://SHOP.example.:8443/결제", "https://shop.example:8443/결제"),
        ("https://BÜCHER.example/", "https://xn--bcher-kva.example/"),
        ("https://가게.한국", "https://xn--o39akk.xn--3e0b707e"),
        ("https://ｓｈｏｐ。example/", "https://shop.example/"),
        ("https://①②⑦.0.0.1/", "https://127.0.0.1/"),
        ("https://[2606:4700::1111]:443/", "https://[2606:4700::1111]:443/"),
    ],
)
def test_a_host_is_spelled_in_ascii(url, spelled):
    """International names become what DNS knows (UTS-46), and the rest of the URL stays as it is."""
    assert spell_out(url) == spelled


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("https://shop.example/" + "a" * 2048, "Shorten"),
        ("https://shop.example/a b", "spaces"),
        ("https://shop.example/\r\nhost: x", "control"),
        ("https://shop.example/\x00", "control"),
        ("https://shop.example/\u200b", "control"),
        ("https://shop.example\\@evil.example/", "backslash"),
        ("shop.example/paid", "https://"),
        ("https:shop.example", "https://"),
        ("", "https://"),
        ("https://shop.example/#part", "fragment"),
        ("https://shop.example/#", "fragment"),
        ("https://bakery:secret@shop.example/", "user name"),
        ("https://@shop.example/", "user name"),
        ("https:///paid", "host name"),
        ("https://:443/", "host name"),
        ("https://a..b/", "host name"),
        ("https://℀.example/", "host name"),
        ("https://shop_1.example/", "host name"),
        ("https://" + "a" * 64 + ".example/", "host name"),
        ("https://" + "a." * 200 + "example/", "host name"),
        ("https://shop%2eexample/", "host name"),
        ("https://shop.example:4_43/", "port"),
        ("https://shop.example:８４４３/", "port"),
        ("https://[::1]x/", "port"),
    ],
)
def test_a_url_that_cannot_be_called_says_how_to_mend_it(url, mend):
    """Text that no callback URL may hold is refused in a sentence that names the mend."""
    answer = spell_out(url)

    assert isinstance(answer, Refused)
    assert mend in answer.reason


@given(st.text(max_size=60), st.sampled_from(["https://", "https://shop.example/", ""]))
def test_any_text_at_all_is_spelled_or_refused(text, start):
    """No input makes the reading of a URL fail, and what was spelled out stays as it is."""
    answer = spell_out(start + text)

    assert isinstance(answer, Refused) or spell_out(answer) == answer


@pytest.mark.parametrize(
    ("scheme", "host", "port", "mend"),
    [
        ("http", "shop.example", 80, "https"),
        ("ftp", "shop.example", 443, "https"),
        ("https", "shop.example", 444, "443"),
        ("https", "shop.example", 0, "port"),
        ("https", "shop.example", 99999, "port"),
        ("https", "127.0.0.1", 443, "public address"),
        ("https", "::1", 443, "public address"),
        ("https", "::ffff:127.0.0.1", 443, "public address"),
        ("https", "fe80::1%eth0", 443, "zone"),
        ("https", "2130706433", 443, "four decimal"),
        ("https", "0x7f.1", 443, "four decimal"),
        ("https", "127.1", 443, "four decimal"),
        ("https", "0177.0.0.1", 443, "four decimal"),
        ("https", "localhost", 443, "full domain"),
        ("https", "pay.example", 443, "Paywitness itself"),
    ],
)
def test_in_production_a_target_is_public_and_encrypted(scheme, host, port, mend):
    """Without allowed networks: https, 443 or 8443, a public address or a full name, never ourselves."""
    reason = judge_target(scheme=scheme, host=host, port=port, own_hosts=frozenset({"pay.example"}))

    assert mend in (reason or "")


@pytest.mark.parametrize(("host", "port"), [("shop.example", 443), ("shop.example", 8443), ("8.8.8.8", 443)])
def test_an_ordinary_target_is_in_order(host, port):
    """A public https target has nothing to mend."""
    assert judge_target(scheme="https", host=host, port=port) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "shop.example"])
def test_with_allowed_networks_http_and_any_port_pass_the_text(host):
    """Where networks are open, http and odd ports pass for their addresses, and for names until dialled."""
    assert judge_target(scheme="http", host=host, port=8001, allowed=LOOPBACK) is None


def test_with_allowed_networks_a_foreign_address_is_held_to_the_rule():
    """An address outside the open networks needs https and port 443 or 8443 all the same."""
    assert judge_target(scheme="http", host="8.8.8.8", port=80, allowed=LOOPBACK)
    assert judge_target(scheme="https", host="8.8.8.8", port=444, allowed=LOOPBACK)


def test_http_is_refused_on_the_ports_of_https():
    """Plain http on 443 or 8443 is refused always, so that at the connection the port alone tells."""
    assert judge_target(scheme="http", host="shop.example", port=8443, allowed=LOOPBACK)


@pytest.mark.parametrize(("host", "own"), [("127.0.0.1", "127.0.0.1:8000"), ("::1", "[::1]:8000")])
def test_one_port_of_a_host_can_be_ours(host, own):
    """An own host with a port shuts that port only, so that a shop may live beside us in development."""
    allowed = (*LOOPBACK, ip_network("::1/128"))
    own_hosts = frozenset({own})

    assert judge_target(scheme="http", host=host, port=8000, allowed=allowed, own_hosts=own_hosts)
    assert judge_target(scheme="http", host=host, port=8001, allowed=allowed, own_hosts=own_hosts) is None
