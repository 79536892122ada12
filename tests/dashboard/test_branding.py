"""How a merchant shows itself to its customers: legible, small, drawn anew, and without a cookie."""

import random
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from tenants.branding import KEPT_BYTES, MOST_BYTES, BadBrand, read_colour, redraw
from tenants.colour import LEGIBLE, NIGHT, PAPER, contrast, legible, style_sheet, text_on
from tenants.models import AuditEntry, MerchantBrand
from tenants.routing import forget_everything
from tests.dashboard.settings_stage import member, page, text_of
from tests.factories import Cast, page_of

COLOURS = st.binary(min_size=3, max_size=3).map(bytes.hex)
WHOLE_PAGE = 30 * 1024  # bytes that a customer's phone loads, uncompressed


def picture(size: tuple[int, int] = (200, 60), kind: str = "PNG", *, noise: bool = False, **options: Any) -> bytes:
    """Return a picture as a file."""
    image = Image.new("RGBA", size, (15, 95, 75, 255))
    if noise:
        chance = random.Random(7)
        image = Image.frombytes("RGBA", size, chance.randbytes(size[0] * size[1] * 4))
    into = BytesIO()
    image.save(into, kind, **options)
    return into.getvalue()


def a_file(data: bytes, name: str = "logo.png", kind: str = "image/png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, kind)


@pytest.fixture
def admin(bakery: Cast) -> Iterator[Client]:
    with member(bakery.merchant, "admin") as client:
        yield client
    MerchantBrand.objects.all().delete()
    forget_everything()


@given(COLOURS)
def test_every_colour_becomes_legible(colour: str) -> None:
    """Links have a contrast of 4.5 on light and on dark ground, and so has what stands on a button."""
    assert contrast(legible(colour, on=PAPER), PAPER) >= LEGIBLE
    assert contrast(legible(colour, on=NIGHT), NIGHT) >= LEGIBLE
    assert contrast(text_on(colour), colour) >= LEGIBLE


def test_contrast_is_counted_as_wcag_counts_it() -> None:
    """Black on white is 21, a colour on itself 1; a colour that can be read stays as it is."""
    assert contrast("000000", "ffffff") == pytest.approx(21)
    assert contrast("777777", "777777") == 1
    assert contrast("ffffff", "767676") == pytest.approx(4.54, abs=0.01)
    assert legible("0f5f4b", on=PAPER) == "0f5f4b"


@pytest.mark.parametrize(("text", "colour"), [("#0F5F4B", "0f5f4b"), ("abc", "aabbcc"), ("", "")])
def test_a_colour_is_read_as_people_write_it(text: str, colour: str) -> None:
    """With or without #, short or long, in upper or lower case."""
    assert read_colour(text) == colour


@pytest.mark.parametrize("text", ["red", "#12345", "#1234567", "url(x)", "#12345g", "0f5f4b;}"])
def test_what_is_no_colour_is_refused(text: str) -> None:
    """Nothing else gets into a style sheet."""
    with pytest.raises(BadBrand, match="Write the colour as"):
        read_colour(text)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_logo_is_drawn_anew(kind: str) -> None:
    """Of the file only pixels are kept: remarks, profiles and whatever hangs behind it are gone."""
    remarks = PngImagePlugin.PngInfo()
    remarks.add_text("Comment", "<script>hidden</script>")
    options: dict[str, Any] = {"pnginfo": remarks} if kind == "PNG" else {"exif": b"Exif\x00\x00hidden"}

    drawn = redraw(picture(kind=kind, icc_profile=b"hidden" * 9, **options) + b"<script>hidden</script>")

    assert b"hidden" not in drawn
    image = Image.open(BytesIO(drawn))
    assert (image.format, image.size) == ("WEBP", (200, 60))
    assert len(drawn) <= KEPT_BYTES


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one part of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_where_a_picture_was_taken_is_nobodys_business() -> None:
    """Place, camera and remarks that a telephone writes into a picture do not reach customers."""
    exif = Image.Exif()
    exif[0x010F] = "camera of the baker"
    exif.get_ifd(0x8825)[1] = "N"
    for kind in ("PNG", "WEBP"):
        given = picture(kind=kind, exif=exif)
        assert b"camera of the baker" in given

        drawn = redraw(given)

        assert b"camera of the baker" not in drawn
        assert not Image.open(BytesIO(drawn)).getexif()


@pytest.mark.parametrize(
    "other",
    [b"PK\x03\x04 an archive", b"<html><script>alert(1)</script></html>", b"%PDF-1.7", b"#!/bin/sh\nexit 1\n"],
    ids=["archive", "page", "document", "program"],
)
def test_a_file_that_is_two_things_becomes_one(other: bytes) -> None:
    """Of a picture that is also something else the picture is kept; in front of it, it is no picture any more."""
    both = picture() + other

    assert other not in redraw(both)
    with pytest.raises(BadBrand, match="no PNG or WebP"):
        redraw(other + picture())


@pytest.mark.parametrize("side", [2001, 60_000, 2**31 - 1])
def test_a_picture_that_swells_is_not_unpacked(side: int) -> None:
    """A small file that says it is enormous is refused by what it says, before anything is unpacked."""
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    packed = zlib.compress(b"\0" * 4_000_000, 9)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    assert len(bomb) < MOST_BYTES

    with pytest.raises(BadBrand):
        redraw(bomb)


def test_a_remark_that_swells_is_not_unpacked() -> None:
    """Text inside a picture may be packed as well: it is not unpacked beyond what a remark may have."""
    swelling = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 8_000_000, 9))
    good = picture()
    bomb = good[:33] + swelling + good[33:]
    assert len(bomb) < MOST_BYTES

    with pytest.raises(BadBrand, match="no PNG or WebP"):
        redraw(bomb)


def test_a_rich_logo_is_made_small() -> None:
    """A picture that would be large becomes a small one, or is refused with what to do."""
    drawn = redraw(picture((64, 64), noise=True))

    assert len(drawn) <= KEPT_BYTES


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "no PNG or WebP"),
        (b"", "no PNG or WebP"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 100, "no PNG or WebP"),
        (picture()[:-30], "no PNG or WebP"),
        (picture(kind="GIF"), "no PNG or WebP"),
        (picture((2001, 10)), "2,000 pixels"),
        (b"x" * (MOST_BYTES + 1), "larger than 20 KB"),
        (
            picture(kind="WEBP", save_all=True, append_images=[Image.new("RGBA", (200, 60))], duration=100),
            "stands still",
        ),
    ],
    ids=["svg", "nothing", "torn", "cut", "gif", "wide", "large", "moving"],
)
def test_what_is_no_small_still_picture_is_refused(data: bytes, words: str) -> None:
    """A logo is judged by its content; each refusal says what to do."""
    with pytest.raises(BadBrand, match=words):
        redraw(data)


def test_a_customer_sees_name_colour_and_logo(bakery: Cast, admin: Client) -> None:
    """What was chosen stands on the customer's page; all of it weighs less than 30 KB, and no cookie is set."""
    noisy = Image.frombytes("RGBA", (66, 66), random.Random(3).randbytes(66 * 66 * 4))
    into = BytesIO()
    noisy.save(into, "PNG")
    assert len(into.getvalue()) <= MOST_BYTES
    chosen = {"name": "<Bread> & more", "colour": "#FEE500", "logo": a_file(into.getvalue())}

    kept = admin.post(page(bakery, "settings_branding"), chosen)
    address = page_of(bakery.lands(imp_uid="imp_448280090999", merchant_uid="order-1"))
    drawn = httpx.get(address, trust_env=False)
    brand = MerchantBrand.objects.get(merchant=bakery.merchant)
    parts = [f"/r-assets/{brand.colour}.css", f"/r-assets/{brand.logo_name}.webp"]
    loaded = [httpx.get(bakery.web + part, trust_env=False) for part in parts]

    assert kept.status_code == 302
    assert "&lt;Bread&gt; &amp; more" in drawn.text
    assert all(part in drawn.text for part in parts)
    assert [one.status_code for one in loaded] == [200, 200]
    assert [one.headers["content-type"] for one in loaded] == ["text/css; charset=utf-8", "image/webp"]
    assert all("immutable" in one.headers["cache-control"] for one in loaded)
    assert not [one for one in (drawn, *loaded) if "set-cookie" in one.headers]
    static = sum(file.stat().st_size for file in (settings.BASE_DIR / "config/static/result").iterdir())
    assert static + sum(len(one.content) for one in (drawn, *loaded)) < WHOLE_PAGE


def test_a_florist_shows_nothing_of_the_bakery(bakery: Cast, florist: Cast, admin: Client) -> None:
    """A brand is its merchant's own."""
    admin.post(page(bakery, "settings_branding"), {"name": "Bread", "colour": "#FEE500"})

    drawn = httpx.get(page_of(florist.lands(merchant_uid="order-1")), trust_env=False)

    assert "Bread" not in drawn.text
    assert "r-assets" not in drawn.text


def test_a_bad_logo_changes_nothing(bakery: Cast, admin: Client) -> None:
    """The fault stands at its field, name and colour stay as typed, and nothing is kept."""
    svg = a_file(b"<svg/>", "logo.svg", "image/svg+xml")

    answer = admin.post(page(bakery, "settings_branding"), {"name": "Bread", "colour": "#12345", "logo": svg})

    text = text_of(answer)
    assert answer.status_code == 422
    assert "save the logo as one of them" in text
    assert "six digits" in text
    assert 'value="Bread"' in text
    assert 'value="#12345"' in text
    assert not MerchantBrand.objects.exists()


def test_a_large_upload_is_only_counted(bakery: Cast, admin: Client) -> None:
    """Of a file that is too large no more than 64 KiB are held, and the form says how large it may be."""
    answer = admin.post(page(bakery, "settings_branding"), {"logo": a_file(b"\x89PNG" + b"x" * 300_000)})

    assert "larger than 20 KB" in text_of(answer)


def test_the_check_of_a_colour_is_shown(bakery: Cast, admin: Client) -> None:
    """The page says how a colour is read on light and on dark ground, and what becomes of one that is not."""
    admin.post(page(bakery, "settings_branding"), {"colour": "#FEE500"})

    text = text_of(admin.get(page(bakery, "settings_branding")))

    assert "is too little for text" in text
    assert legible("fee500", on=PAPER) in text
    assert "easy to read" in text
    assert AuditEntry.objects.get(action="brand.changed").subject == "colour"


def test_a_logo_is_removed(bakery: Cast, admin: Client) -> None:
    """A logo that was removed is shown nowhere, and its address is gone."""
    address = page(bakery, "settings_branding")
    admin.post(address, {"logo": a_file(picture())})
    name = MerchantBrand.objects.get().logo_name
    assert 'name="remove_logo"' in text_of(admin.get(address))

    admin.post(address, {"remove_logo": "on"})

    assert MerchantBrand.objects.get().logo is None
    assert 'name="remove_logo"' not in text_of(admin.get(address))
    assert httpx.get(f"{bakery.web}/r-assets/{name}.webp", trust_env=False).status_code == 404


@pytest.mark.parametrize("name", ["0f5f4.css", "0F5F4B.css", "0f5f4b;x.css", "../x.css", "0" * 31 + ".webp"])
def test_other_assets_do_not_exist(bakery: Cast, name: str) -> None:
    """Only six digits are a colour, and only a digest is a logo."""
    assert httpx.get(f"{bakery.web}/r-assets/{name}", trust_env=False).status_code == 404


def test_a_style_sheet_is_short() -> None:
    """A colour costs a customer a few hundred bytes."""
    assert style_sheet("fee500").startswith(":root{--fill:#fee500;--on-fill:#000000;--accent:#")
    assert len(style_sheet("fee500")) < 200
