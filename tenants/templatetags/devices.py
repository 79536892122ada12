"""Which device was that? A browser's name for itself, as a person would say it."""

from typing import Final

from django import template

register = template.Library()

# The first that is found counts: most browsers also claim to be those below them.
BROWSERS: Final = {
    "KAKAOTALK": "KakaoTalk",
    "NAVER(": "NAVER",
    "Whale/": "Whale",
    "SamsungBrowser/": "Samsung Internet",
    "Edg": "Edge",
    "OPR/": "Opera",
    "FxiOS/": "Firefox",
    "Firefox/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS: Final = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}
LONGEST: Final = 60


@register.filter
def device(user_agent: str) -> str:
    """Name browser and system; what names neither is shown as it is, cut short."""
    found = [next((name for mark, name in known.items() if mark in user_agent), "") for known in (BROWSERS, SYSTEMS)]
    return " · ".join(filter(None, found)) or user_agent[:LONGEST]
