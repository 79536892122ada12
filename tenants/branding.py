"""What do a merchant's customers see of it? Its name, its colour, its logo, drawn anew by us.

A logo is judged by its content, never by its name or what the browser calls it, and only its pixels are kept: nothing
that was hidden in the file reaches a customer. SVG is a program and is never taken.
"""

import hashlib
import warnings
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from django.db import transaction
from PIL import Image

from tenants.colour import COLOUR
from tenants.models import AuditEntry, Merchant, MerchantBrand
from tenants.routing import forget_merchant

MOST_BYTES: Final = 20 * 1024
MOST_PIXELS: Final = 2000  # of a side
DRAWN: Final = (480, 128)  # three times what the page shows, for screens that have so many
# With page, style, script and a few words the customer's page stays below 30 KB.
KEPT_BYTES: Final = 12 * 1024
QUALITIES: Final = (90, 80, 70, 55, 40)


class BadBrand(ValueError):
    """A name, colour or logo cannot be used; `field` is which, and the message says how to mend it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def read_colour(text: str) -> str:
    """Return six digits in lower case, or nothing for nothing; raise BadBrand."""
    colour = text.strip().lower().removeprefix("#")
    if len(colour) == 3:
        colour = "".join(digit * 2 for digit in colour)
    if colour and not COLOUR.fullmatch(colour):
        raise BadBrand("colour", "Write the colour as # and six digits, such as #0f5f4b.")
    return colour


def redraw(data: bytes) -> bytes:
    """Return a logo as a WebP of our own, at most 12 KiB; raise BadBrand for what is no small still PNG or WebP."""
    if len(data) > MOST_BYTES:
        raise BadBrand("logo", "The file is larger than 20 KB: make the picture smaller and choose it again.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(data), formats=("PNG", "WEBP"))
            if max(image.size) > MOST_PIXELS:
                raise BadBrand("logo", "The picture has more than 2,000 pixels on a side: make it smaller.")
            if getattr(image, "n_frames", 1) > 1:
                raise BadBrand("logo", "The picture moves: choose one that stands still.")
            pixels = image.convert("RGBA")
    except BadBrand:
        raise
    except Exception as error:  # Pillow raises what it likes for bytes that are no picture
        raise BadBrand("logo", "This is no PNG or WebP picture: save the logo as one of them.") from error
    # Made from its pixels alone: Pillow would carry profiles and remarks over.
    clean = Image.frombytes("RGBA", pixels.size, pixels.tobytes())
    clean.thumbnail(DRAWN)
    return _encode(clean)


def _encode(image: Image.Image) -> bytes:
    tries: list[dict[str, Any]] = [{"lossless": True}, *({"quality": quality} for quality in QUALITIES)]
    for options in tries:
        into = BytesIO()
        image.save(into, "WEBP", method=6, **options)
        if into.tell() <= KEPT_BYTES:
            return into.getvalue()
    raise BadBrand("logo", "The picture is too rich in detail for a logo: choose a plainer one.")


def set_brand(
    merchant: Merchant,
    *,
    name: str,
    colour: str,
    logo: bytes | None = None,
    remove_logo: bool = False,
    actor: str,
    at: datetime,
) -> MerchantBrand:
    """Choose how a merchant is shown; without a new logo the one it has stays. Raises BadBrand.

    Every process shows it within half a minute.
    """
    colour, drawn = read_colour(colour), redraw(logo) if logo is not None else None
    with transaction.atomic():
        MerchantBrand.objects.get_or_create(merchant=merchant)
        brand = MerchantBrand.objects.select_for_update().get(merchant=merchant)
        before = (brand.name, brand.colour, brand.logo_name)
        brand.name, brand.colour = name.strip(), colour
        if drawn is not None:
            brand.logo, brand.logo_name = drawn, hashlib.sha256(drawn).hexdigest()[:32]
        elif remove_logo:
            brand.logo, brand.logo_name = None, ""
        after = (brand.name, brand.colour, brand.logo_name)
        changed = [word for word, one, two in zip(("name", "colour", "logo"), before, after, strict=True) if one != two]
        if changed:
            brand.save()
            AuditEntry.objects.create(
                merchant=merchant, at=at, actor=actor, action="brand.changed", subject=", ".join(changed)
            )
    forget_merchant(merchant.id)
    return brand
