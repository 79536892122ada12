"""What does the environment ask for? Whatever cannot be read is refused with its name, the fault and a hint.

An empty variable counts as not set, except where `blank=True` makes empty mean "off"; one without a default
is required. Secrets (`secret`, `database`, `email_url`, and `url` with credentials) may come from the file
that NAME_FILE names, and no refusal repeats them.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_interface
from pathlib import Path
from typing import Any, Literal, TypeVar, overload
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

T = TypeVar("T")
Network = IPv4Network | IPv6Network

LONGEST_ECHO = 80
ODD_PORT = "has a port that is not a number from 1 to 65535"
FLAGS = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)
UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", None: "seconds"}
MAIL_BACKENDS = {"smtp": "smtp", "smtps": "smtp", "console": "console", "memory": "locmem"}


class Fault(ValueError):
    """What is wrong with a value: words that can follow its name, and that do not repeat it."""


@dataclass(frozen=True, slots=True)
class Env:
    """The environment of one process; each method raises ImproperlyConfigured for what it cannot read."""

    environ: Mapping[str, str] = field(repr=False)

    def text(self, name: str, default: str | None = None, *, hint: str = "") -> str:
        return self._read(name, str, default, hint)

    def secret(self, name: str, default: str | None = None, *, hint: str = "") -> str:
        return self._read(name, str, default, hint, secret=True)

    def flag(self, name: str, default: bool | None = None, *, hint: str = "1 or 0") -> bool:
        return self._read(name, parse_flag, default, hint)

    def number(
        self,
        name: str,
        default: int | None = None,
        *,
        minimum: int | None = None,
        maximum: int | None = None,
        hint: str = "",
    ) -> int:
        return self._read(name, lambda value: parse_number(value, minimum, maximum), default, hint)

    def duration(
        self,
        name: str,
        default: timedelta | None = None,
        *,
        minimum: timedelta | None = None,
        hint: str = "such as 30s",
    ) -> timedelta:
        return self._read(name, lambda value: parse_duration(value, minimum), default, hint)

    def choice(self, name: str, choices: Collection[str], default: str | None = None, *, hint: str = "") -> str:
        fault = f"is none of {', '.join(choices)}"
        return self._read(name, lambda value: parse_choice(value, choices, fault), default, hint)

    def networks(
        self,
        name: str,
        default: tuple[Network, ...] | None = None,
        *,
        hint: str = "such as 127.0.0.0/8,::1/128",
    ) -> tuple[Network, ...]:
        return self._read(name, parse_networks, default, hint)

    def url(
        self,
        name: str,
        default: str | None = None,
        *,
        blank: bool = False,
        credentials: bool = False,
        hint: str = "such as https://pay.example",
    ) -> str:
        """Return a web address that paths can be added to: without a last slash or a query."""
        if blank and self._is_blank(name, default):
            return ""
        return self._read(name, lambda value: parse_url(value, credentials), default, hint, secret=credentials)

    @overload
    def address(
        self, name: str, default: str | None = None, *, blank: Literal[False] = False, hint: str = ...
    ) -> tuple[str, int]: ...
    @overload
    def address(
        self, name: str, default: str | None = None, *, blank: Literal[True], hint: str = ...
    ) -> tuple[str, int] | None: ...
    def address(
        self,
        name: str,
        default: str | None = None,
        *,
        blank: bool = False,
        hint: str = "such as 127.0.0.1:8000",
    ) -> tuple[str, int] | None:
        """Return the host, without the brackets of IPv6, and the port to listen on."""
        if blank and self._is_blank(name, default):
            return None
        return self._read(name, parse_address, parse_address(default) if default else None, hint)

    def database(
        self,
        name: str,
        default: str | None = None,
        *,
        hint: str = "postgresql://user:password@host:5432/name",
    ) -> dict[str, Any]:
        """Return what Django's DATABASES says of a PostgreSQL database, the ENGINE excepted."""
        return self._read(name, parse_database, parse_database(default) if default else None, hint, secret=True)

    def email_url(
        self, name: str, default: str | None = None, *, hint: str = "smtp://user:password@host:587?tls=1"
    ) -> dict[str, Any]:
        """Return Django's EMAIL_… settings, by name."""
        return self._read(name, parse_email_url, parse_email_url(default) if default else None, hint, secret=True)

    def _read(self, name: str, parse: Callable[[str], T], default: T | None, hint: str, *, secret: bool = False) -> T:
        value = ""
        try:
            value = self._find_secret(name) if secret else self.environ.get(name, "").strip()
            if value:
                return parse(value)
            if default is None:
                raise Fault("is required")
            return default
        except Fault as fault:
            shown = f"={_cap(value)}" if value and not secret and "@" not in value else ""
            advice = f" Hint: {hint}." if hint else ""
            # Without its cause, because a traceback may repeat what we do not.
            raise ImproperlyConfigured(f"{name}{shown} {fault}.{advice}") from None

    def _find_secret(self, name: str) -> str:
        value, file = self.environ.get(name, ""), self.environ.get(f"{name}_FILE", "")
        if value and file:
            raise Fault(f"and {name}_FILE are both set; keep one")
        if not file:
            return value
        try:
            content = Path(file).read_text(encoding="utf-8").removesuffix("\n")
        except OSError as error:
            raise Fault(f"cannot be read from {name}_FILE={_cap(file)} ({error.strerror})") from None
        except ValueError:
            raise Fault(f"is not UTF-8 text in {name}_FILE={_cap(file)}") from None
        if not content:
            # Most likely a mount that failed, which a default in its place would hide.
            raise Fault(f"is empty in {name}_FILE={_cap(file)}")
        return content

    def _is_blank(self, name: str, default: str | None) -> bool:
        return not self.environ.get(name, default or "").strip() and not self.environ.get(f"{name}_FILE")


def parse_flag(value: str) -> bool:
    if value.lower() not in FLAGS:
        raise Fault("is neither yes nor no")
    return FLAGS[value.lower()]


def parse_number(value: str, minimum: int | None = None, maximum: int | None = None) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise Fault("is not a whole number")
    if minimum is not None and int(value) < minimum:
        raise Fault(f"is less than {minimum}")
    if maximum is not None and int(value) > maximum:
        raise Fault(f"is more than {maximum}")
    return int(value)


def parse_duration(value: str, minimum: timedelta | None = None) -> timedelta:
    """Read a number and its unit; without a unit it counts seconds."""
    parts = re.fullmatch(r"([0-9]{1,8}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)?", value)
    if not parts:
        raise Fault("is not a duration in ms, s, m, h or d")
    duration = timedelta(**{UNITS[parts[2]]: float(parts[1])})
    if minimum is not None and duration < minimum:
        raise Fault(f"is shorter than {minimum.total_seconds():g}s")
    return duration


def parse_choice(value: str, choices: Collection[str], fault: str) -> str:
    if value not in choices:
        raise Fault(fault)
    return value


def parse_items(value: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in value.split(",") if item.strip())


def parse_networks(value: str) -> tuple[Network, ...]:
    return tuple(_parse_network(item) for item in parse_items(value))


def _parse_network(item: str) -> Network:
    try:
        interface = ip_interface(item)
    except ValueError:
        raise Fault("holds something that is no network") from None
    if interface.ip != interface.network.network_address:
        raise Fault(f"names a host inside a network; the network is {interface.network}")
    return interface.network


def parse_url(value: str, credentials: bool = False) -> str:
    parts = _split(value, ("https", "http"))
    if "@" in parts.netloc and not credentials:
        raise Fault("holds a user or a password")
    if "?" in value or "#" in value:
        raise Fault("holds a query or a fragment")
    _find_place(parts)
    return value.rstrip("/")


def parse_address(value: str) -> tuple[str, int]:
    parts = _split(f"//{value}", ("",))
    host, port = _find_place(parts)
    # Compared as a whole, because urlsplit overlooks what stands around a host in brackets.
    if port is None or value.lower() not in (f"{host}:{port}", f"[{host}]:{port}"):
        raise Fault("is not host:port")
    return host, port


def parse_database(value: str) -> dict[str, Any]:
    """Read the URL with libpq's own parser, so that escapes and `host` in the query mean what they do there.

    Whatever is not the address, such as sslmode, goes into OPTIONS.
    """
    if not re.fullmatch(r"postgres(ql)?://[^\s\x00-\x1f\x7f]*", value):
        raise Fault("does not begin with postgresql:// or holds a space or a control character")
    try:
        options = {key: str(word) for key, word in conninfo_to_dict(value).items()}
    except psycopg.ProgrammingError:
        raise Fault("is no URL that PostgreSQL understands; write odd characters as %-escapes") from None
    keys = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    settings: dict[str, Any] = {key: options.pop(word, "") for key, word in keys.items()}
    if not settings["NAME"] or "/" in settings["NAME"]:
        raise Fault("does not name one database after the host")
    ports = [port for port in settings["PORT"].split(",") if port]
    if not all(re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535 for port in ports):
        raise Fault(ODD_PORT)
    return settings | {"OPTIONS": options}


def parse_email_url(value: str) -> dict[str, Any]:
    parts = _split(value, tuple(MAIL_BACKENDS))
    backend = f"django.core.mail.backends.{MAIL_BACKENDS[parts.scheme]}.EmailBackend"
    if parts.scheme in ("console", "memory"):
        if value.rstrip("/") != f"{parts.scheme}:":
            raise Fault(f"may hold nothing after {parts.scheme}:")
        return {"EMAIL_BACKEND": backend}
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    ssl, tls = parts.scheme == "smtps", FLAGS.get(options.pop("tls", "0"))
    if tls is None or options or parts.fragment or parts.path.strip("/") or (ssl and tls):
        raise Fault("may hold nothing after the host but tls=1, and not even that with smtps")
    host, port = _find_place(parts)
    return {
        "EMAIL_BACKEND": backend,
        "EMAIL_HOST": host,
        "EMAIL_PORT": port or (465 if ssl else 587 if tls else 25),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": tls,
        "EMAIL_USE_SSL": ssl,
        # Without one, a mail server that hangs would hold its sender for good.
        "EMAIL_TIMEOUT": 10,
    }


def _split(value: str, schemes: tuple[str, ...]) -> SplitResult:
    # urlsplit would drop some of these without a word.
    if re.search(r"[\s\x00-\x1f\x7f]", value):
        raise Fault("holds a space or a control character")
    try:
        parts = urlsplit(value)
    except ValueError:
        raise Fault("is not an address") from None
    if parts.scheme not in schemes:
        raise Fault(f"does not begin with {' or '.join(f'{scheme}:' for scheme in schemes)}")
    return parts


def _find_place(parts: SplitResult) -> tuple[str, int | None]:
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Fault(ODD_PORT) from None
    if not re.fullmatch(r"[a-z0-9._:-]+", host):
        raise Fault("names no host, or one that is no plain name or address")
    if port == 0:
        raise Fault(ODD_PORT)
    return host, port


def _cap(value: str) -> str:
    return repr(value if len(value) <= LONGEST_ECHO else value[:LONGEST_ECHO] + "…")
