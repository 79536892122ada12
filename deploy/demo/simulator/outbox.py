"""Which webhooks go out, when, and what did the other side answer?

PortOne V1 sends once by default and never tries again; neither does this.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

CONTENT_TYPES = {
    "json": "application/json",
    "json-charset": "application/json;charset=UTF-8",
    "form": "application/x-www-form-urlencoded",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One notice to one address: unsigned, without an id and without a time, as V1 sends it."""

    imp_key: str
    url: str
    fields: dict[str, Any]
    encoding: str = "json"
    delay: float = 0.0
    answer: int | None = field(default=None)

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.encoding]

    @property
    def body(self) -> bytes:
        if self.encoding == "form":
            return urlencode(self.fields).encode()
        return json.dumps(self.fields, ensure_ascii=False).encode()


class Outbox:
    """The notices waiting, held back and done. Putting one in never waits for the network."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Webhook] = []
        self._held: list[Webhook] = []
        self._done: list[Webhook] = []
        self._wake: Callable[[], object] = lambda: None

    def put(self, webhook: Webhook, *, hold: bool = False) -> None:
        with self._changed:
            (self._held if hold else self._waiting).append(webhook)
            wake = self._wake
        wake()

    def release(self, imp_key: str, *, newest_first: bool = False) -> int:
        """Send what was held back for an account; return how many."""
        with self._changed:
            mine = [webhook for webhook in self._held if webhook.imp_key == imp_key]
            self._held = [webhook for webhook in self._held if webhook.imp_key != imp_key]
            self._waiting.extend(reversed(mine) if newest_first else mine)
            wake = self._wake
        wake()
        return len(mine)

    def take_all(self) -> list[Webhook]:
        with self._changed:
            taken, self._waiting = self._waiting, []
        return taken

    def attach(self, wake: Callable[[], object]) -> None:
        """Name the one who is to be woken; what waited for a server to start goes out now."""
        with self._changed:
            self._wake = wake
        wake()

    def note_answer(self, webhook: Webhook, answer: int | None) -> None:
        """Write down the HTTP status of the answer; None when there was none."""
        with self._changed:
            self._done.append(replace(webhook, answer=answer))
            self._changed.notify_all()

    def done(self) -> list[Webhook]:
        with self._changed:
            return list(self._done)

    def wait_for(self, count: int, *, timeout: float = 30.0) -> list[Webhook]:
        """Block until so many webhooks were sent; raise TimeoutError otherwise. For tests."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._done) >= count, timeout):
                raise TimeoutError(f"{len(self._done)} of {count} webhooks were sent")
            return list(self._done)
