"""Can a merchant's colour be read? Contrast as WCAG 2 counts it, and the nearest shade that is strong enough.

Colours are six hexadecimal digits without `#`, in lower case.
"""

import re
from typing import Final

COLOUR: Final = re.compile(r"[0-9a-f]{6}")
PAPER: Final = "fbfbf9"
NIGHT: Final = "121412"
LEGIBLE: Final = 4.5  # WCAG 2, AA, for text
STEPS: Final = 100


def contrast(one: str, other: str) -> float:
    """Return the ratio of two colours, 1 (the same) to 21 (black on white)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    red, green, blue = (_linear(part / 255) for part in bytes.fromhex(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def legible(colour: str, *, on: str) -> str:
    """Return the colour, or of its darker (on light ground) or lighter shades the nearest that can be read there."""
    towards = "000000" if luminance(on) > 0.18 else "ffffff"
    shades = (_mix(colour, towards, step / STEPS) for step in range(STEPS + 1))
    return next(shade for shade in shades if contrast(shade, on) >= LEGIBLE)


def text_on(colour: str) -> str:
    """Return what is written with on this colour: black or white, whichever is read more easily."""
    return max(("ffffff", "000000"), key=lambda text: contrast(text, colour))


def _mix(colour: str, other: str, share: float) -> str:
    pairs = zip(bytes.fromhex(colour), bytes.fromhex(other), strict=True)
    return bytes(round(one + (two - one) * share) for one, two in pairs).hex()


def style_sheet(colour: str) -> str:
    """Return what gives the customer's page this colour: buttons as it is, links legibly in both themes."""
    return (
        f":root{{--fill:#{colour};--on-fill:#{text_on(colour)};--accent:#{legible(colour, on=PAPER)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{--accent:#{legible(colour, on=NIGHT)}}}}}"
    )
