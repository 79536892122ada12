"""Where may a callback go? Every rule about addresses that is known without a network.

The rules are asked twice. When an endpoint is written down, `spell_out` and `judge_target` refuse what its
text already shows to be wrong. At each connection `forbidden_connection` judges the address that is really
dialled, because a name may lead anywhere, and somewhere else tomorrow.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import idna

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Networks = tuple[Network, ...]

# A list of our own: `is_private` and `is_global` of the standard library leave out shared address space,
# 6to4, NAT64 and the deprecated site-local block, and their answers change between Python releases.
# The last row of each family goes beyond what is reserved: AS112's sinks and AMT's relays, which every network may
# answer for itself, and 168.63.129.16, at which Azure's machines find their host. Of IPv6 only 2000::/3 was ever given
# to the public internet. (Facts: IANA's special-purpose address registries; Azure's page on that address.)
DENIED: Networks = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24", "168.63.129.16/32"),
        *("::/8", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16"),
        *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
        *("2620:4f:8000::/48", "::/3", "4000::/2", "8000::/1"),
    )
)
PORTS = frozenset({443, 8443})
DEFAULT_PORTS = {"https": 443, "http": 80}
LONGEST_URL = 2048
LONGEST_NAME = 253

_WHOLE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?")
# What a system resolver reads as an address though no address is written there: 127.1, 0x7f.1, 2130706433.
_NUMBER_AT_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


@dataclass(frozen=True, slots=True)
class Refused:
    """A URL that we never call, and one sentence that says how to mend it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be called as far as its text can tell, in the one spelling that is stored."""

    url: str
    scheme: str
    host: str
    port: int


def forbidden(address: Address | str, allowed: Networks = ()) -> str | None:
    """Say why nothing may connect to this address, or None.

    `allowed` opens exactly the addresses it lists. An IPv4 address in IPv6 clothes (::ffff:127.0.0.1) stays
    shut when 127.0.0.0/8 is open: nobody needs that spelling, and what is spelt twice is checked once.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "what was resolved is not an IP address"
    if isinstance(parsed, IPv6Address) and parsed.scope_id is not None:
        return "an address with a zone id belongs to this machine's own links"
    if lies_within(parsed, allowed):
        return None
    shut = next((network for network in DENIED if parsed in network), None)
    return f"{parsed} lies in {shut}, which is not public" if shut else None


def forbidden_connection(address: Address | str, *, port: int, allowed: Networks = ()) -> str | None:
    """Say why nothing may connect to this address and port, or None.

    Ports other than 443 and 8443 are open inside `allowed` only. Plain http has to obey the same rule without
    being told apart here, because `judge_target` refuses it on those two ports.
    """
    if reason := forbidden(address, allowed):
        return reason
    if port in PORTS or lies_within(ip_address(address), allowed):
        return None
    return f"port {port} at {address} is not open to callbacks"


def lies_within(address: Address, networks: Networks) -> bool:
    return any(address in network for network in networks)


def literal(host: str) -> Address | None:
    """Return the IP address that this host is, or None when it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def spell_out(url: str) -> str | Refused:
    """Return the URL ready for the client's parser: scheme in lower case, host in ASCII (UTS-46)."""
    if len(url) > LONGEST_URL:
        return Refused(f"Shorten the URL to at most {LONGEST_URL} characters.")
    if not url.isprintable() or any(character.isspace() or character == "\\" for character in url):
        return Refused("Remove spaces, control characters and backslashes from the URL.")
    whole = _WHOLE.fullmatch(url)
    if whole is None:
        return Refused("Write the whole URL, beginning with https://.")
    if "#" in url:
        return Refused("Remove the fragment (# and what follows it): it is never sent.")
    if "@" in whole["authority"]:
        return Refused("Remove the user name and password; calls are signed instead.")
    authority = _spell_out_authority(whole["authority"])
    if isinstance(authority, Refused):
        return authority
    return f"{whole['scheme'].lower()}://{authority}{whole['rest']}"


def judge_target(
    *, scheme: str, host: str, port: int, allowed: Networks = (), own_hosts: frozenset[str] = frozenset()
) -> str | None:
    """Say in one sentence how to mend this target, or None when its text is in order.

    `own_hosts` are our own names, lower case: `pay.example` shuts every port, `pay.example:8000` that one
    only. A name, unlike an address, is let through to http and odd ports whenever `allowed` opens anything at
    all; `forbidden_connection` then sees where it leads.
    """
    return (
        _own_fault(host, port, own_hosts)
        or _host_fault(host, allowed)
        or _way_fault(scheme, port, is_open=_may_be_open(host, allowed))
    )


def _spell_out_authority(authority: str) -> str | Refused:
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        return Refused("Write the port in plain digits, and an IPv6 address in square brackets.")
    host = parts["host"] if parts["host"].startswith("[") else _ascii_host(parts["host"])
    if not host:
        return Refused("Use a host name that exists in DNS: letters, digits, hyphens and dots.")
    return f"{host}:{parts['port']}" if parts["port"] else host


def _ascii_host(host: str) -> str | None:
    if len(host) > LONGEST_NAME:
        return None
    try:
        return idna.encode(host, uts46=True).decode("ascii").lower().removesuffix(".")
    except UnicodeError:  # idna's own errors are among them
        return None


def _own_fault(host: str, port: int, own_hosts: frozenset[str]) -> str | None:
    netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if host in own_hosts or netloc in own_hosts:
        return "Use your own server's URL; this one is Paywitness itself."
    return None


def _host_fault(host: str, allowed: Networks) -> str | None:
    if "%" in host:
        return "Remove the zone id; callbacks go to public addresses only."
    address = literal(host)
    if address is not None and forbidden(address, allowed):
        return "Use a public address; this one is private or reserved."
    if address is not None:
        return None
    if _NUMBER_AT_END.fullmatch(host):
        return "Use a host name, or write the IP address as four decimal numbers."
    if "." not in host and not allowed:
        return "Use a full domain name, such as shop.example.com."
    return None


def _may_be_open(host: str, allowed: Networks) -> bool:
    address = literal(host)
    return bool(allowed) if address is None else lies_within(address, allowed)


def _way_fault(scheme: str, port: int, *, is_open: bool) -> str | None:
    if scheme != "https" and not (is_open and scheme == "http"):
        return "Use https: a callback must not travel unencrypted."
    if not 0 < port < 65536:
        return "Use a port between 1 and 65535."
    if scheme == "http" and port in PORTS:
        return f"Use https on port {port}."
    if port not in PORTS and not is_open:
        return "Use port 443 or 8443."
    return None
