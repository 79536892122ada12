"""What the guide's text says in between: `{% snippet "verify.py" %}` shows a file of api/guide/snippets as it is."""

from functools import cache
from pathlib import Path
from typing import Final

from django import template

register = template.Library()
SNIPPETS: Final = Path(__file__).parent / "snippets"


@register.inclusion_tag("guide/_snippet.html")
def snippet(name: str, title: str = "") -> dict[str, str]:
    """Show a snippet, with a button that copies it."""
    return {"name": title or name, "text": read(name)}


@cache
def read(name: str) -> str:
    return Path(f"{SNIPPETS}/{name}").read_text()
