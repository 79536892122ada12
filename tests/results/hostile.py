"""Targets that a callback must never reach, and good ones beside them.

Run it to read what the real client says of each, for people: `python -m tests.results.hostile`. No network is asked:
the name server is a table, and what were let through would be shown as such in place of being dialled.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from results.core.target import Refused
from results.core.verdict import AttemptError, Reply
from results.outbound import GuardedClient, check_target

OWN_HOSTS: Final = frozenset({"pay.example", "xn--p89a133c.example:8443"})


@dataclass(frozen=True, slots=True)
class Hostile:
    """A URL that must be refused: when it is stored, or when it is dialled because of where its name leads.

    `because` is a part of the reason. Without `leads_to` its text alone is enough to refuse it.
    """

    group: str
    url: str
    because: str
    leads_to: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.url[:60]!r}{' -> ' + ' '.join(self.leads_to) if self.leads_to else ''}"


PUBLIC: Final = "Use a public address"
SPELLED: Final = "four decimal numbers"
NO_NAME: Final = "exists in DNS"

TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "private": {
        "https://10.0.0.1/": PUBLIC,
        "https://172.16.0.1/": PUBLIC,
        "https://172.31.255.255/": PUBLIC,
        "https://192.168.0.1:8443/": PUBLIC,
        "https://[fc00::1]/": PUBLIC,
        "https://[fd12:3456:789a::1]/": PUBLIC,
        "https://[fec0::1]/": PUBLIC,
    },
    "loopback": {
        "https://127.0.0.1/": PUBLIC,
        "https://127.255.255.254/": PUBLIC,
        "https://0.0.0.0/": PUBLIC,
        "https://[::1]/": PUBLIC,
        "https://[::]/": PUBLIC,
        "https://[0:0:0:0:0:0:0:1]/": PUBLIC,
        "https://localhost/": "full domain",
        "https://LOCALHOST./": "full domain",
    },
    "link-local and multicast": {
        "https://169.254.0.1/": PUBLIC,
        "https://[fe80::1]/": PUBLIC,
        "https://224.0.0.1/": PUBLIC,
        "https://255.255.255.255/": PUBLIC,
        "https://[ff02::1]/": PUBLIC,
    },
    "cloud metadata": {
        "https://169.254.169.254/latest/meta-data/": PUBLIC,
        "https://[fd00:ec2::254]/latest/meta-data/": PUBLIC,
        "https://[fd20:ce::254]/": PUBLIC,
        "https://168.63.129.16/machine?comp=goalstate": PUBLIC,
        "https://192.0.0.192/": PUBLIC,
        "https://metadata/": "full domain",
    },
    "shared and reserved": {
        "https://100.64.0.1/": PUBLIC,
        "https://100.100.100.200/": PUBLIC,
        "https://192.88.99.1/": PUBLIC,
        "https://192.31.196.1/": PUBLIC,
        "https://192.52.193.1/": PUBLIC,
        "https://192.175.48.1/": PUBLIC,
        "https://198.18.0.1/": PUBLIC,
        "https://203.0.113.1/": PUBLIC,
        "https://240.0.0.1/": PUBLIC,
        "https://[100::1]/": PUBLIC,
        "https://[100:0:0:1::1]/": PUBLIC,
        "https://[2001:4:112::1]/": PUBLIC,
        "https://[2001:db8::1]/": PUBLIC,
        "https://[2620:4f:8000::1]/": PUBLIC,
        "https://[3fff::1]/": PUBLIC,
        "https://[5f00::1]/": PUBLIC,
        "https://[4000::1]/": PUBLIC,
    },
    "IPv4 inside IPv6": {
        "https://[::ffff:127.0.0.1]/": PUBLIC,
        "https://[::ffff:7f00:1]/": PUBLIC,
        "https://[::ffff:10.0.0.1]/": PUBLIC,
        "https://[::127.0.0.1]/": PUBLIC,
        "https://[::ffff:0:127.0.0.1]/": PUBLIC,
        "https://[64:ff9b::127.0.0.1]/": PUBLIC,
        "https://[64:ff9b::a9fe:a9fe]/": PUBLIC,
        "https://[64:ff9b:1::10.0.0.1]/": PUBLIC,
        "https://[2002:7f00:1::1]/": PUBLIC,
        "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/": PUBLIC,
    },
    "zone ids": {
        "https://[fe80::1%25eth0]/": "zone",
        "https://[fe80::1%eth0]/": "zone",
        "https://[2606:4700::1111%251]/": "zone",
        "https://[::1%25lo]/": "zone",
    },
    "odd spellings": {
        "https://2130706433/": SPELLED,
        "https://127.1/": SPELLED,
        "https://127.0.1/": SPELLED,
        "https://0/": SPELLED,
        "https://0177.0.0.1/": "typing errors",
        "https://017700000001/": SPELLED,
        "https://127.0.0.01/": "typing errors",
        "https://0x7f.1/": SPELLED,
        "https://0x7f000001/": SPELLED,
        "https://0X7F.0X0.0X0.0X1/": SPELLED,
        "https://127.0.0.0x1/": SPELLED,
        "https://4294967295/": SPELLED,
        "https://256.256.256.256/": "typing errors",
        "https://１２７.０.０.１/": PUBLIC,
        "https://①②⑦.⓪.⓪.①/": PUBLIC,
        "https://127。0。0。1/": PUBLIC,
        "https://169．254｡169。254/": PUBLIC,
        "https://０ｘ７ｆ.1/": SPELLED,
        "https://127.0.0.1./": PUBLIC,
        "https://%31%32%37.0.0.1/": NO_NAME,
        "https://[::1": "square brackets",
        "https://::1/": "square brackets",
        "https://[v1.7f000001]/": "typing errors",
    },
    "names IDNA cannot encode": {
        "https://a..example/": NO_NAME,
        "https://.example/": NO_NAME,
        "https://-shop.example/": NO_NAME,
        "https://shop_1.example/": NO_NAME,
        "https://xn--.example/": NO_NAME,
        "https://xn--a.example/": NO_NAME,
        "https://℀.example/": NO_NAME,
        "https://" + "a" * 64 + ".example/": NO_NAME,
        "https://" + "a." * 127 + "example/": NO_NAME,
        "https://shop.example／.evil.example/": NO_NAME,
        "https://127.0.0.1＠shop.example/": NO_NAME,
        "https://shop.example：443/": NO_NAME,
    },
    "ourselves": {
        "https://pay.example/webhook/x": "Paywitness itself",
        "https://PAY.EXAMPLE./": "Paywitness itself",
        "https://pay.example:8443/": "Paywitness itself",
        "https://ｐａｙ。ｅｘａｍｐｌｅ/": "Paywitness itself",
        "https://ⓟⓐⓨ.example/": "Paywitness itself",
        "https://결제.example:8443/": "Paywitness itself",
    },
    "user names": {
        "https://shop.example@127.0.0.1/": "user name",
        "https://127.0.0.1@shop.example/": "user name",
        "https://shop.example:443@127.0.0.1:8443/": "user name",
        "https://bakery:secret@shop.example/": "user name",
        "https://@shop.example/": "user name",
    },
    "odd ports and schemes": {
        "https://shop.example:22/": "443 or 8443",
        "https://shop.example:6379/": "443 or 8443",
        "https://shop.example:80/": "443 or 8443",
        "https://shop.example:0/": "between 1 and 65535",
        "https://shop.example:65536/": "between 1 and 65535",
        "https://shop.example:99999/": "between 1 and 65535",
        "https://shop.example:４４３/": "plain digits",
        "https://shop.example:-443/": "plain digits",
        "http://shop.example/": "https",
        "http://shop.example:443/": "https",
        "ftp://shop.example/": "https",
        "gopher://127.0.0.1:6379/_FLUSHALL": "public address",
        "file:///etc/passwd": "DNS",
        "file://shop.example/etc/passwd": "https",
        "javascript:alert(1)": "whole URL",
    },
    "fragments, backslashes, line ends": {
        "https://shop.example/#@127.0.0.1/": "fragment",
        "https://127.0.0.1#@shop.example/": "fragment",
        "https://shop.example\\@127.0.0.1/": "backslash",
        "https://127.0.0.1\\.shop.example/": "backslash",
        "https://shop.example/\r\nhost: 127.0.0.1": "control characters",
        "https://shop.example/\nx": "control characters",
        "https://shop.example\t.evil.example/": "control characters",
        "https://shop.example/\x00": "control characters",
        "https://sho\u200bp.example/": "control characters",
        "https://127.0.0.1 .shop.example/": "spaces",
        " https://shop.example/": "spaces",
        "//127.0.0.1/": "whole URL",
        "https:/127.0.0.1/": "whole URL",
        "": "whole URL",
    },
    "overlong": {
        "https://shop.example/" + "a" * 2048: "Shorten",
        "https://shop.example/?" + "%00" * 700: "Shorten",
    },
}

# What a good-looking name leads to. One forbidden address is enough: the others are bait.
NAMES: Final[Mapping[str, Mapping[str, Mapping[str, str] | str]]] = {
    "names that lead inside": {
        "10.0.0.8": "10.0.0.0/8",
        "127.0.0.1": "127.0.0.0/8",
        "::1": "::/8",
        "0.0.0.0": "0.0.0.0/8",
        "169.254.169.254": "169.254.0.0/16",
        "fd00:ec2::254": "fc00::/7",
        "168.63.129.16": "168.63.129.16/32",
        "100.64.0.1": "100.64.0.0/10",
        "::ffff:10.0.0.1": "::/8",
        "::10.0.0.1": "::/8",
        "::ffff:0:10.0.0.1": "::/8",
        "64:ff9b::10.0.0.1": "::/8",
        "64:ff9b:1::10.0.0.1": "::/8",
        "2002:a00:1::1": "2002::/16",
        "2001:0:4136:e378:8000:63bf:f5ff:fffe": "2001::/23",
        "fe80::1%eth0": "zone id",
        "2606:4700::1111%2": "zone id",
        "not an address": "not an IP address",
    },
    "one bad address among good ones": {
        "93.184.215.14 10.0.0.1": "10.0.0.0/8",
        "10.0.0.1 93.184.215.14": "10.0.0.0/8",
        "93.184.215.14 2606:4700::1111 ::1": "::/8",
        "2606:4700::1111 ::ffff:169.254.169.254": "::/8",
    },
}

# Names that everybody knows to lead inside, and some that only look harmless.
KNOWN_NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "https://localhost.localdomain/": ("127.0.0.1", "127.0.0.0/8"),
    "https://shop.localhost/": ("::1", "::/8"),
    "https://127.0.0.1.nip.example/": ("127.0.0.1", "127.0.0.0/8"),
    "https://metadata.google.internal/computeMetadata/v1/": ("169.254.169.254", "169.254.0.0/16"),
    "https://instance-data.ec2.internal/": ("fd00:ec2::254", "fc00::/7"),
    "https://kubernetes.default.svc/": ("10.96.0.1", "10.0.0.0/8"),
    "https://pаy.example/": ("127.0.0.1", "127.0.0.0/8"),  # with a Cyrillic а: another name than ours
    "https://xn--py-7kc.example/": ("10.0.0.8", "10.0.0.0/8"),
    "https://shop.example.:8443/": ("192.168.1.1", "192.168.0.0/16"),
}


def _all() -> Iterator[Hostile]:
    for group, urls in TEXTS.items():
        yield from (Hostile(group, url, because) for url, because in urls.items())
    for group, answers in NAMES.items():
        for addresses, because in answers.items():
            yield Hostile(group, "https://shop.example/callback", str(because), tuple(_split(addresses)))
    for url, (address, because) in KNOWN_NAMES.items():
        yield Hostile("known names and look-alikes", url, because, (address,))


def _split(addresses: str) -> Sequence[str]:
    return [addresses] if addresses.startswith("not") else addresses.split()


HOSTILE: Final = tuple(_all())

GOOD: Final[Mapping[str, str]] = {
    "https://shop.example/": "93.184.215.14",
    "https://shop.example:443/callback?a=b%20c": "93.184.215.14",
    "https://shop.example:8443/callback": "2606:4700::1111",
    "HTTPS://SHOP.EXAMPLE./callback": "8.8.8.8",
    "https://가게.한국/결제": "211.231.99.17",
    "https://xn--o39akk.xn--3e0b707e/": "211.231.99.17",
    "https://bücher.example/": "100.63.255.255",
    "https://ｓｈｏｐ。example/": "100.128.0.1",
    "https://127.0.0.1.shop.example/": "172.15.255.255",
    "https://10.example.com/": "172.32.0.1",
    "https://8.8.8.8/": "8.8.8.8",
    "https://11.0.0.1:8443/": "11.0.0.1",
    "https://192.0.1.1/": "192.0.1.1",
    "https://[2606:4700::1111]/": "2606:4700::1111",
    "https://[2001:200::1]:8443/": "2001:200::1",
    "https://a-very.long.but.good.name.of-a-shop.example.com/?id=1&at=2:30": "223.255.255.254",
}


def name_server(*turns: Sequence[str]) -> Callable[[str, int], Awaitable[list[str]]]:
    """Be a name server that gives these addresses for every name, turn by turn, and the last ones for ever."""
    waiting = list(turns)

    async def resolve(host: str, port: int) -> list[str]:
        return list(waiting.pop(0) if len(waiting) > 1 else waiting[0])

    return resolve


_dialled: list[object] | None = None
_listening = False


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _dialled is not None:
        _dialled.append(arguments[1])
        raise ConnectionRefusedError("nothing may be dialled here")


@contextmanager
def watched() -> Iterator[list[object]]:
    """Collect every address to which this process tries to connect, by whatever road, and refuse each."""
    global _dialled, _listening
    if not _listening:
        sys.addaudithook(_hear)
        _listening = True
    _dialled = []
    try:
        yield _dialled
    finally:
        _dialled = None


async def attempt(one: Hostile) -> Reply:
    """Make an attempt through the real client as it is set in production."""
    async with GuardedClient(own_hosts=OWN_HOSTS, resolver=name_server(one.leads_to)) as client:
        return await client.post(one.url, headers={}, body=b"{}", deadline=5)


async def table() -> list[tuple[str, str, str, str]]:
    """Return group, target, when it is refused and because of what, as the real client says it."""
    rows = []
    for one in HOSTILE:
        stored = check_target(one.url, own_hosts=OWN_HOSTS)
        reply = await attempt(one)
        when = "stored" if isinstance(stored, Refused) else "dialled"
        is_shut = reply.error is AttemptError.FORBIDDEN_TARGET
        rows.append((one.group, str(one), when, reply.detail if is_shut else "NOT REFUSED"))
    return rows


def main() -> None:
    with watched():
        judged = asyncio.run(table())
    for group, rows in groupby(judged, key=lambda row: row[0]):
        print(f"\n{group}")
        for _, target, when, because in rows:
            print(f"  {target:<72} {when:<8} {because}")
    print(f"\n{len(HOSTILE)} hostile targets, {len(GOOD)} good ones")


if __name__ == "__main__":
    os.environ.setdefault("ENVIRONMENT", "development")
    main()
