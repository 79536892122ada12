"""What onboarding and the signature debugger say when something is wrong: what happened, whose move, the next step."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from results.core.diagnosis import Fault, Part
from results.core.held_secret import Held
from results.core.verdict import AttemptError
from results.endpoints import TooManyEndpoints
from results.try_keys import Refusal
from results.wording import in_words

DRIFTS: Final = 60  # seconds by which a clock may be off and nobody minds
KOREA: Final = 9 * 3600

REFUSALS: Final[dict[Refusal, Promise]] = {
    Refusal.KEYS: gettext_lazy(
        "PortOne refuses these keys, so nothing was kept. Copy the REST API Key and REST API Secret of [V1 API] anew:"
        " PortOne's console, [결제 연동] > [식별코드·API Keys]. The V2 API Secret does not work here."
    ),
    Refusal.TIER: gettext_lazy(
        "PortOne takes the keys, but not with this sub-store code, so nothing was kept. Check the code, or leave it"
        " empty if the shop is no sub-store."
    ),
    Refusal.BUSY: gettext_lazy(
        "PortOne takes no more questions for these keys just now, so nothing was kept. Try again in a minute."
    ),
    Refusal.SILENT: gettext_lazy(
        "PortOne does not answer just now, so the keys could not be tried and nothing was kept. It is not your fault:"
        " try again in a few minutes."
    ),
}

PARTS: Final[dict[Part, Promise]] = {
    Part.ID: gettext_lazy("Message id"),
    Part.TIMESTAMP: gettext_lazy("Time"),
    Part.SIGNATURE: gettext_lazy("How the signature is written"),
    Part.SECRET: gettext_lazy("Secret"),
    Part.BODY: gettext_lazy("Body"),
}

FAULTS: Final[dict[Fault, Promise]] = {
    Fault.MISSING: gettext_lazy("The header is missing. See that a proxy or your framework does not drop it."),
    Fault.RENAMED: gettext_lazy(
        "It came under another name. A proxy renames it on the way: give it back its own before you verify."
    ),
    Fault.TWICE: gettext_lazy("The header came more than once, so nobody knows which one was signed."),
    Fault.NOT_OURS: gettext_lazy("This is no id of ours: ours begin with evt_ and have 26 characters after it."),
    Fault.EVENT_UNKNOWN: gettext_lazy("No event of this mode has this id. Look whether it belongs to the other mode."),
    Fault.EVENT_OF_OTHER_MODE: gettext_lazy(
        "This event belongs to the other mode. A test callback came to the live server, or the reverse: compare the"
        " callback URLs of both modes."
    ),
    Fault.MILLISECONDS: gettext_lazy("These are milliseconds; whole seconds are signed. Use the header as it came."),
    Fault.NO_NUMBER: gettext_lazy("This is no whole number of seconds. Use the header as it came."),
    Fault.TOO_OLD: gettext_lazy(
        "It was signed more than five minutes ago. That is normal for a message from a log; if your server said so when"
        " it came, its clock is fast."
    ),
    Fault.IN_FUTURE: gettext_lazy(
        "It says that it was signed more than five minutes from now. We never sign ahead: the header was changed."
    ),
    Fault.NEVER_SENT: gettext_lazy(
        "We never sent this event at that second. Headers of two requests were mixed up, or one was changed."
    ),
    Fault.NO_VERSION: gettext_lazy("A signature begins with v1, and a comma. Do not cut that off before verifying."),
    Fault.JOINED: gettext_lazy("Signatures are separated by spaces. Something joined two of them with a comma."),
    Fault.URL_SAFE: gettext_lazy("It holds - or _, the alphabet of URLs. Standard base64 has + and / there."),
    Fault.PLUS_LOST: gettext_lazy("A + became a space, as when a form is decoded. Take the header as it came."),
    Fault.NOT_BASE64: gettext_lazy("This is no base64: a character is foreign, or the end is missing."),
    Fault.WRONG_LENGTH: gettext_lazy("It is base64, but not of 32 bytes: a part is missing."),
    Fault.NO_SECRET_FITS: gettext_lazy(
        "None of the secrets that sign now made this signature. Your server may verify with an old one, or header, time"
        " or body were changed."
    ),
    Fault.NO_SECRETS: gettext_lazy("This mode has no endpoint yet, so nothing is signed. Make one first."),
    Fault.OF_OTHER_MODE: gettext_lazy(
        "A secret of the other mode signed this. Each mode has its own secret: give your server the one of this mode."
    ),
    Fault.RETIRED: gettext_lazy("A secret that has retired signed this. It is an old message, or one that was kept."),
    Fault.EMPTY: gettext_lazy("The body is empty. Your framework may have read it before you did: keep the raw bytes."),
    Fault.NEWLINE: gettext_lazy(
        "Something blank was added at the beginning or the end. If it is only from pasting, remove it and look again."
    ),
    Fault.BOM: gettext_lazy(
        "Three bytes (a BOM) stand before the body. An editor or a file adds them: leave them out."
    ),
    Fault.ESCAPED: gettext_lazy(
        "The same JSON, but letters beyond ASCII are written differently: Korean as \\uXXXX, or the reverse. It was"
        " parsed and written anew: verify the raw bytes instead."
    ),
    Fault.QUOTED: gettext_lazy(
        "This is the body as a text in quotes, as a log or a second JSON encoding writes it. Verify the raw bytes."
    ),
    Fault.MISREAD: gettext_lazy("The bytes were read in another alphabet than UTF-8. Verify the raw bytes."),
    Fault.REWRITTEN: gettext_lazy(
        "The same JSON, but written anew: spaces, order or escapes differ. Verify the raw bytes, before parsing."
    ),
    Fault.CHANGED: gettext_lazy("The body differs from what we sent, from this byte on."),
    Fault.CUT: gettext_lazy("The end of the body is missing. See whether your server limits how much it reads."),
    Fault.NOT_COMPARED: gettext_lazy("Without its event the body cannot be compared byte by byte."),
}

HELD: Final[dict[Held, Promise]] = {
    Held.RIGHT: gettext_lazy("Your server's secret signs this mode."),
    Held.BLANK: gettext_lazy("Your server's secret is right, but blanks or quotes stand around it. Remove them."),
    Held.OF_OTHER_MODE: gettext_lazy(
        "Your server has the secret of the other mode. Give it the one of this mode's endpoint."
    ),
    Held.RETIRED: gettext_lazy("Your server has a secret that has retired. Give it the newest of the endpoint."),
    Held.FOREIGN: gettext_lazy("Your server's secret is none of this shop's. Copy the endpoint's secret anew."),
    Held.ILLEGIBLE: gettext_lazy(
        "Your server's secret is no signing secret: it begins with whsec_ and goes on in base64. Copy it whole."
    ),
}

ANSWERS: Final[dict[str, Promise]] = {
    AttemptError.DNS: gettext_lazy("The host's name leads nowhere. Check its spelling and its DNS entry."),
    AttemptError.REFUSED: gettext_lazy(
        "Nobody listens at this address. See that the server runs and its port is open."
    ),
    AttemptError.TIMEOUT: gettext_lazy("The server took longer than 15 seconds. Answer first, and work afterwards."),
    AttemptError.TLS: gettext_lazy(
        "The certificate is not valid for this host, or is incomplete. Renew or complete it."
    ),
    AttemptError.FORBIDDEN_TARGET: gettext_lazy("The address leads into an inner network, where we call nobody."),
    AttemptError.TOO_LARGE: gettext_lazy("The answer was too long. An empty one with status 200 is enough."),
    AttemptError.PROTOCOL: gettext_lazy("What came back is no HTTP answer. See what listens at this port."),
}


def answer_words(status: int | None, error: str) -> str:
    """Say why a server did not take a test, and what to do."""
    if error in ANSWERS:
        return str(ANSWERS[error])
    if status in (401, 403):
        return _(
            "The server refused us. If it was the signature, compare the secret; else let us through its firewall."
        )
    if status in (404, 405):
        return _("Nothing takes a POST at this path. Check the path of the address.")
    if status is not None and 300 <= status < 400:
        return _("The server sends us elsewhere, and we follow nobody. Give the address it leads to.")
    if status == 400:
        return _("The server did not accept the message. The usual cause is the signature: look into it.")
    return _("The server answered with an error. Its own log says why; any status from 200 to 299 means “heard”.")


def refusal_words(refusal: Refusal) -> str:
    return str(REFUSALS[refusal])


def callback_refusal(error: Exception) -> str:
    """Return why no endpoint is made for an address, and the mend."""
    if isinstance(error, TooManyEndpoints):
        return _("This mode has as many endpoints as it may: change one of them in the settings.")
    return _("No callback goes to this address. %(mend)s") % {"mend": in_words(error)}


def span_words(seconds: int) -> str:
    """Write how far two moments lie apart, in the two greatest units."""
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    units = [
        (days, ngettext("%d day", "%d days", days)),
        (hours, ngettext("%d hour", "%d hours", hours)),
        (minutes, ngettext("%d minute", "%d minutes", minutes)),
        (seconds % 60, ngettext("%d second", "%d seconds", seconds % 60)),
    ]
    first = next((place for place, (number, _words) in enumerate(units) if number), len(units) - 1)
    return " ".join(words % number for number, words in units[first : first + 2] if number) or units[-1][1] % 0


def clock_words(ahead: int) -> str:
    """Say whose clock is off, by how much, and the mend; `ahead` are the seconds that the receiver's is before ours."""
    span = span_words(abs(ahead))
    if abs(ahead) < DRIFTS:
        return _("Your server's clock agrees with ours.")
    if abs(abs(ahead) - KOREA) < DRIFTS:
        return _("Your server's clock is 9 hours off: it takes Korean time for UTC. Mend its time zone.")
    if ahead < 0:
        return _(
            "Your server's clock is %(span)s behind ours. Set it by NTP: from five minutes on every callback seems to"
            " come from the future."
        ) % {"span": span}
    return _(
        "Your server's clock is %(span)s ahead of ours. Set it by NTP: from five minutes on every callback seems"
        " too old."
    ) % {"span": span}
