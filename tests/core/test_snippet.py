"""The snippet for the shop's page: its values are strings of JavaScript and nothing else."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from results.core.snippet import Window, write_snippet

REDIRECT, NOTICE = "https://pay.example/m/bk_1/complete", "https://pay.example/webhook/wk_1"


def test_what_is_known_is_filled_in() -> None:
    """Code, channel and addresses stand in the call; a PC's callback leads to the same address."""
    text = write_snippet(Window(REDIRECT, NOTICE, "imp12345678", "channel-key-1"))

    assert 'IMP.init("imp12345678")' in text
    assert 'channelKey: "channel-key-1"' in text
    assert text.count(f'"{REDIRECT}"') == 2
    assert f'notice_url: "{NOTICE}"' in text


def test_what_is_not_known_is_left_to_be_filled_in() -> None:
    """Without keys the places to fill in can be seen."""
    text = write_snippet(Window(REDIRECT, NOTICE))

    assert "imp00000000" in text
    assert "channel-key-…" in text


def test_a_channel_without_a_key_is_named_by_its_company() -> None:
    """Channels of an older contract have no key: company and merchant id stand in its place."""
    text = write_snippet(Window(REDIRECT, NOTICE, pg="nice_v2.demo00000t"))

    assert 'pg: "nice_v2.demo00000t"' in text
    assert "channelKey" not in text


def test_the_confirm_url_waits_in_a_comment() -> None:
    """PortOne asks it only once it has enabled the confirm process, so it is there and not in use."""
    assert f'// confirm_url: "{NOTICE}",' in write_snippet(Window(REDIRECT, NOTICE, confirm_url=NOTICE))


@given(st.text(max_size=60))
def test_no_value_ends_its_string_or_the_script(value: str) -> None:
    """Whatever a channel is called, it is read back as that very string."""
    text = write_snippet(Window(REDIRECT, NOTICE, channel_key=value or "x", name=value, confirm_url=value))

    assert text.count("</script>") == 2
    line = next(line for line in text.split("\n") if line.startswith("    name: "))
    literal = re.fullmatch(r'    name: (".*"),', line)
    assert literal
    assert json.loads(literal[1]) == value
