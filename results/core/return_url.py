"""Where may a customer be sent? To a registered address, and only when it is spelt exactly so.

An open redirect is made of two parsers that disagree. So an address is read here by one strict reader,
refused when anything in it could be read in two ways, and kept in its one normal form; what is compared,
signed and sent as Location is that form and nothing else.
"""

import ipaddress
import re
from collections.abc import Iterable

MAX_LENGTH = 2048

_SHAPE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/]*)(?P<path>/.*)?", re.DOTALL)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER_LIKE = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_HIDDEN = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff]|5[Cc])")
_DEFAULT_PORTS = {"https": "443", "http": "80"}


class BadReturnUrl(ValueError):
    """The address cannot be a return URL; the message says why and how to mend it, in one sentence."""


def normalise_return_url(text: str, *, allow_http: bool) -> str:
    """Return the one spelling of a return URL: scheme, host, port unless it is the default, and path.

    Raises BadReturnUrl. http is for development only.
    """
    _refuse_odd_characters(text)
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise BadReturnUrl("Write the whole address, beginning with https://.")
    scheme = shape["scheme"].lower()
    if scheme not in ("https", "http"):
        raise BadReturnUrl("A return URL begins with https://.")
    if scheme == "http" and not allow_http:
        raise BadReturnUrl("A return URL uses https; http is allowed in development only.")
    host, port = _read_authority(shape["authority"])
    ending = f":{port}" if port and port != _DEFAULT_PORTS[scheme] else ""
    return f"{scheme}://{host}{ending}{_read_path(shape['path'] or '/')}"


def matches(candidate: str, registered: Iterable[str]) -> str | None:
    """Return the registered URL (in its normal form) that candidate is, or None.

    Scheme, host, port and path have to be the same; a prefix, a sub-domain or one more parameter is another.
    """
    wanted = _normal_or_none(candidate)
    known = {_normal_or_none(url) for url in registered}
    return wanted if wanted is not None and wanted in known else None


def _normal_or_none(text: str) -> str | None:
    try:
        return normalise_return_url(text, allow_http=True)
    except BadReturnUrl:
        return None


def _refuse_odd_characters(text: str) -> None:
    if not 0 < len(text) <= MAX_LENGTH:
        raise BadReturnUrl(f"A return URL has 1 to {MAX_LENGTH} characters.")
    if not text.isascii():
        raise BadReturnUrl("Write the host in punycode (xn--…), and percent-encode the path.")
    if any(not "!" <= character <= "~" for character in text):
        raise BadReturnUrl("A return URL has no space, tab, line break or control character.")
    for character, name in (("\\", "backslash"), ("?", "query"), ("#", "fragment")):
        if character in text:
            raise BadReturnUrl(f"A return URL has no {name}; our parameters are added later.")


def _read_authority(authority: str) -> tuple[str, str]:
    if "@" in authority:
        raise BadReturnUrl("A return URL has no user name or password in front of its host.")
    address, separator, port = authority.rpartition(":")
    if not separator or authority.endswith("]"):
        address, separator, port = authority, "", ""
    if separator and (not _PORT.fullmatch(port) or int(port) > 65535):
        raise BadReturnUrl("The port of a return URL is a number from 1 to 65535.")
    return _read_host(address.lower()), port


def _read_host(host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        return _read_ipv6(host[1:-1])
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadReturnUrl("The host of a return URL is a plain domain name, like shop.example.com.")
    # Browsers read any host whose last part is a number as an IPv4 address (0x7f.1 is 127.0.0.1).
    if _NUMBER_LIKE.fullmatch(labels[-1]) and not _is_ipv4(host):
        raise BadReturnUrl("Write an address made of numbers as four numbers with dots.")
    return host


def _read_ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise BadReturnUrl("The host of a return URL is no IPv6 address.") from None
    if address.scope_id:
        raise BadReturnUrl("The host of a return URL has no zone.")
    return f"[{address.compressed}]"


def _is_ipv4(host: str) -> bool:
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False


def _read_path(path: str) -> str:
    if not _PATH.fullmatch(path) or _HIDDEN.search(path):
        raise BadReturnUrl("Percent-encode the odd characters in the path, and leave out control characters.")
    # A browser folds these away before it asks, so the signed path would not be the path that arrives.
    if any(part.lower().replace("%2e", ".") in (".", "..") for part in path.split("/")):
        raise BadReturnUrl("The path of a return URL has no . or .. in it.")
    return _ESCAPE.sub(lambda escape: escape[0].upper(), path)
