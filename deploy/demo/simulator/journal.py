"""What was asked of PortOne, how often, and how many ids stood in each batch?"""

import threading
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime

REMEMBERED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that reached the API, before any fault was applied."""

    at: datetime
    endpoint: str
    method: str
    path: str
    query: str
    imp_key: str = ""
    ids: int = 0


class Journal:
    """The newest requests and the counters of all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: deque[Asked] = deque(maxlen=REMEMBERED)
        self._counts: Counter[str] = Counter()

    def note(self, asked: Asked) -> None:
        with self._lock:
            self._asked.append(asked)
            self._counts[asked.endpoint] += 1

    def clear(self) -> None:
        with self._lock:
            self._asked.clear()
            self._counts.clear()

    def counts(self) -> dict[str, int]:
        """Return requests by endpoint, tokens included."""
        with self._lock:
            return dict(self._counts)

    def questions(self) -> int:
        """Return how many requests were made besides those for tokens."""
        return sum(count for endpoint, count in self.counts().items() if endpoint != "getToken")

    def asked(self) -> list[Asked]:
        with self._lock:
            return list(self._asked)

    def batches(self) -> list[int]:
        """Return how many ids stood in each question to `GET /payments`, oldest first."""
        return [asked.ids for asked in self.asked() if asked.endpoint == "payments"]
