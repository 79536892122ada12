"""Does a receiver verify with the right secret? What it holds, against those that we sign with; none is repeated."""

import hmac
from collections.abc import Sequence
from enum import StrEnum

from results.core.diagnosis import Candidate, Fault
from results.core.signing import BadSecret, SigningSecret

LONGEST = 200


class Held(StrEnum):
    """What a receiver's secret is to us."""

    RIGHT = "right"
    BLANK = "blank"  # right, but for blanks or quotes around it
    OF_OTHER_MODE = "of_other_mode"
    RETIRED = "retired"
    FOREIGN = "foreign"  # well written, but none of ours
    ILLEGIBLE = "illegible"  # no signing secret at all


def judge_held(text: str, candidates: Sequence[Candidate]) -> tuple[Held, str]:
    """Say what a secret is, and by which name people know it if it is one of ours."""
    plain = text.strip().strip("'\"").strip()
    try:
        held = SigningSecret.from_text(plain if plain.startswith("whsec_") else f"whsec_{plain}")
    except BadSecret:
        return Held.ILLEGIBLE, ""
    ours = [one for one in candidates if hmac.compare_digest(one.secret.key, held.key)]
    if not ours:
        return Held.FOREIGN, ""
    found = min(ours, key=lambda one: one.fault is not None)
    if found.fault:
        return (Held.RETIRED if found.fault == Fault.RETIRED else Held.OF_OTHER_MODE), found.name
    return (Held.RIGHT if plain == text else Held.BLANK), found.name
