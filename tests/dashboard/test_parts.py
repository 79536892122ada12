"""The parts of which people's pages are made: moments, money, codes to copy, fields of forms."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django import forms
from django.template import engines
from django.template.loader import render_to_string
from django.utils import translation

from results.core.money import Money

MOMENT = datetime(2020, 1, 1, 5, 12, 3, tzinfo=UTC)
HOSTILE = '"><script>alert(1)</script>'


def drawn(source: str, **context: Any) -> str:
    with translation.override("ko"):
        return engines["django"].from_string("{% load paywitness %}" + source).render(context).strip()


def test_a_moment_says_the_whole_truth() -> None:
    """A moment is short for the eye, and in full in KST and UTC on hover, for screen readers and for machines."""
    time = drawn("{{ moment|kst }}", moment=MOMENT)

    assert 'datetime="2020-01-01T05:12:03Z"' in time
    assert 'title="2020-01-01 14:12:03 KST · 2020-01-01 05:12:03 UTC"' in time
    assert '<span aria-hidden="true">2020년 1월 1일 14:12</span>' in time
    assert '<span class="sr-only">2020년 1월 1일 14:12, 2020-01-01 14:12:03 KST' in time


def test_an_age_is_a_moment_too() -> None:
    """How long ago something was is said with the full moment behind it."""
    time = drawn("{{ moment|ago }}", moment=MOMENT)

    assert "일 전</span>" in time
    assert "05:12:03 UTC" in time


@pytest.mark.parametrize("source", ["{{ it|kst }}", "{{ it|ago }}", "{{ it|money:'KRW' }}"])
def test_nothing_is_a_dash(source: str) -> None:
    """What is not known yet is a dash, never a None."""
    assert drawn(source, it=None) == "–"


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        (64900, "KRW", "₩64,900"),
        (1420, "USD", "$14.20"),
        (1500, "KWD", "1.500 KWD"),
        (Money(64900, "KRW", 0), "", "₩64,900"),
        (64900, "", "–"),
    ],
)
def test_money_is_written_exactly(amount: Money | int, currency: str, written: str) -> None:
    """Minor units and a currency, or a Money, are written with the currency's decimals; units of nothing are not."""
    assert drawn("{{ amount|money:currency }}", amount=amount, currency=currency) == written


def test_a_code_can_be_copied() -> None:
    """A code stands beside its copy button, which is hidden until a script can copy."""
    code = drawn("{% copy 'imp_448280' %}")

    assert "<code>imp_448280</code>" in code
    assert 'data-copy="imp_448280" hidden aria-label="imp_448280 복사"' in code


def test_a_label_says_what_is_copied() -> None:
    """A button alone says what it copies."""
    button = drawn("{% copy secret 'URL' bare=True %}", secret="whsec_x")

    assert "<code>" not in button
    assert 'aria-label="URL 복사"' in button


def test_a_hostile_code_is_text() -> None:
    """Whatever is copied stays text, in the code and in the button."""
    assert "<script" not in drawn("{% copy code %}", code=HOSTILE)


class Order(forms.Form):
    """A form with a field of each kind."""

    name = forms.CharField(help_text="At most 80 letters.", max_length=80)
    kind = forms.ChoiceField(choices=[("a", "A")], required=False)
    events = forms.MultipleChoiceField(choices=[("a", "A"), ("b", "B")], widget=forms.CheckboxSelectMultiple)
    paused = forms.BooleanField(required=False)


def test_a_field_names_itself_its_hint_and_its_fault() -> None:
    """A field has a label, and tells screen readers its hint and what is wrong with it."""
    form = Order({"name": HOSTILE * 5, "events": ["a"]})
    field = render_to_string("_field.html", {"field": form["name"]})

    assert '<label for="id_name">' in field
    assert 'class="input"' in field
    assert 'aria-invalid="true"' in field
    assert 'aria-describedby="id_name_helptext id_name_error"' in field
    assert 'id="id_name_helptext"' in field
    assert 'id="id_name_error"' in field
    assert "<script" not in field


def test_a_field_has_the_class_of_its_kind() -> None:
    """Selects, boxes and groups of boxes each look like what they are; a group has a legend."""
    form = Order()

    assert 'class="select"' in render_to_string("_field.html", {"field": form["kind"]})
    assert 'class="checkbox"' in render_to_string("_field.html", {"field": form["paused"]})
    group = render_to_string("_field.html", {"field": form["events"]})
    assert "<legend>" in group
    assert group.count('class="checkbox"') >= 2
