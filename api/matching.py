"""Two who change the same thing at once: an answer's ETag, and If-Match on what would change it."""

import hashlib
import json
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from api.door import say
from api.errors import Problem


def tag_of(document: dict[str, Any]) -> str:
    """Return the ETag of a resource as it is shown."""
    return f'"{hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]}"'


def tagged(request: HttpRequest, document: dict[str, Any]) -> dict[str, Any]:
    """Have the answer carry the document's ETag; return the document."""
    say(request, {"ETag": tag_of(document)})
    return document


def check_match(request: HttpRequest, document: dict[str, Any]) -> None:
    """Raise Problem when the caller changes what is no longer as they saw it. Hold the row's lock from before."""
    wanted = request.headers.get("If-Match")
    if wanted is None or wanted.strip() == "*" or tag_of(document) in [tag.strip() for tag in wanted.split(",")]:
        return
    detail = _("Somebody changed it meanwhile: read it again, and send its ETag as If-Match.")
    raise Problem(412, "changed_meanwhile", detail, field="If-Match")
