"""What does a request say? JSON that can be written down again: half a character can neither be kept nor answered."""

import json
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser


def read_body(request: HttpRequest) -> Any:
    """Return what a body says. Raises ValueError or RecursionError for what nobody could keep."""
    said = json.loads(request.body)
    json.dumps(said, ensure_ascii=False).encode()
    return said


class BodyParser(Parser):
    """Reads the bodies of all operations; whatever it raises becomes a problem."""

    def parse_body(self, request: HttpRequest) -> Any:
        return read_body(request)
