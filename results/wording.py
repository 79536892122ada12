"""What our modules say of a bad value, in the reader's language: their sentences are English."""

import re
from typing import Final

from django.utils.translation import gettext, gettext_noop

# Sentences with something in them; the others are translated as they are.
WITH_PARTS: Final = (
    (re.compile(r"(?P<name>.+) is reserved, .*"), gettext_noop("%(name)s is set by Paywitness or HTTP: leave it out.")),
    (re.compile(r"(?P<name>.+) is given twice.*"), gettext_noop("%(name)s is given twice: leave one out.")),
    (
        re.compile(r"(?P<name>.+) has a line break .*"),
        gettext_noop("%(name)s has a character beyond ASCII: write it as printable ASCII."),
    ),
    (re.compile(r"(?P<name>.+) has no value.*"), gettext_noop("%(name)s has no value: give one, or leave it out.")),
    (
        re.compile(r"(?P<name>.+) is no header name.*"),
        gettext_noop("%(name)s is no header name: use letters, digits and hyphens."),
    ),
    (
        re.compile(r"(?P<name>[0-9]+) headers are too many.*"),
        gettext_noop("%(name)s headers are too many: give 20."),
    ),
    (
        re.compile(r"The headers have .* the longest is (?P<name>.+): .*"),
        gettext_noop("The headers are longer than 4,096 bytes in all, most of all %(name)s: shorten it."),
    ),
    (
        re.compile(r"(?P<name>.+) is no event type: name (?P<like>\S+), perhaps\."),
        gettext_noop("%(name)s is no event type: name %(like)s, perhaps."),
    ),
    (
        re.compile(r"(?P<name>.+) is no event type: name a type such as .*"),
        gettext_noop(
            "%(name)s is no event type: name a type such as payment.paid, or a prefix such as payment.review.*."
        ),
    ),
    (
        re.compile(r"There are (?P<most>[0-9]+) endpoints already, .*"),
        gettext_noop("There are %(most)s endpoints already, which is the most: change or delete one of them."),
    ),
    (
        re.compile(r"(?P<what>.+): keep them (?P<least>[0-9]+) to (?P<most>[0-9]+) days, not .*"),
        gettext_noop("Keep them %(least)s to %(most)s days."),
    ),
)
# What results.core says of addresses and texts; named here so that each has its translation.
SENTENCES: Final = (
    gettext_noop("This endpoint was tested ten times within a minute: wait a minute."),
    gettext_noop("Write the whole address, beginning with https://."),
    gettext_noop("A return URL begins with https://."),
    gettext_noop("A return URL uses https; http is allowed in development only."),
    gettext_noop("A return URL has 1 to 2048 characters."),
    gettext_noop("Write the host in punycode (xn--…), and percent-encode the path."),
    gettext_noop("A return URL has no space, tab, line break or control character."),
    gettext_noop("A return URL has no backslash; our parameters are added later."),
    gettext_noop("A return URL has no query; our parameters are added later."),
    gettext_noop("A return URL has no fragment; our parameters are added later."),
    gettext_noop("A return URL has no user name or password in front of its host."),
    gettext_noop("The port of a return URL is a number from 1 to 65535."),
    gettext_noop("The host of a return URL is a plain domain name, like shop.example.com."),
    gettext_noop("Write an address made of numbers as four numbers with dots."),
    gettext_noop("The host of a return URL is no IPv6 address."),
    gettext_noop("The host of a return URL has no zone."),
    gettext_noop("Percent-encode the odd characters in the path, and leave out control characters."),
    gettext_noop("The path of a return URL has no . or .. in it."),
    gettext_noop("Shorten the URL to at most 2048 characters."),
    gettext_noop("Remove spaces, control characters and backslashes from the URL."),
    gettext_noop("Write the whole URL, beginning with https://."),
    gettext_noop("Remove the fragment (# and what follows it): it is never sent."),
    gettext_noop("Remove the user name and password; calls are signed instead."),
    gettext_noop("Write the port in plain digits, and an IPv6 address in square brackets."),
    gettext_noop("Use a host name that exists in DNS: letters, digits, hyphens and dots."),
    gettext_noop("Use your own server's URL; this one is Paywitness itself."),
    gettext_noop("Remove the zone id; callbacks go to public addresses only."),
    gettext_noop("Use a public address; this one is private or reserved."),
    gettext_noop("Use a host name, or write the IP address as four decimal numbers."),
    gettext_noop("Use a full domain name, such as shop.example.com."),
    gettext_noop("Use https: a callback must not travel unencrypted."),
    gettext_noop("Use a port between 1 and 65535."),
    gettext_noop("Use https on port 443."),
    gettext_noop("Use https on port 8443."),
    gettext_noop("Use port 443 or 8443."),
    gettext_noop("Describe the endpoint in one line of at most 120 characters."),
    gettext_noop("10 secrets sign already: wait until one retires, or let all of them retire at once."),
    gettext_noop("There are 20 endpoints already, which is the most: change one of them."),
    gettext_noop("Let the old secret sign along for 0 to 7 days."),
    gettext_noop("Let the old key stay in use for 0 to 7 days."),
    gettext_noop("20 keys are in use already: revoke one that is not needed first."),
    gettext_noop("Name at least one event type, or * for all of them."),
    gettext_noop("bodies of replies belong to attempts: keep them no longer than those"),
    gettext_noop("Write the colour as # and six digits, such as #0f5f4b."),
    gettext_noop("The file is larger than 20 KB: make the picture smaller and choose it again."),
    gettext_noop("The picture has more than 2,000 pixels on a side: make it smaller."),
    gettext_noop("The picture moves: choose one that stands still."),
    gettext_noop("This is no PNG or WebP picture: save the logo as one of them."),
    gettext_noop("The picture is too rich in detail for a logo: choose a plainer one."),
)


def in_words(error: Exception) -> str:
    """Return what an error says, translated."""
    text = str(error)
    for pattern, sentence in WITH_PARTS:
        if found := pattern.fullmatch(text):
            return gettext(sentence) % found.groupdict()
    return gettext(text)
