"""What an operator may write into the environment, and what is refused with which words."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from config.env import Env

MAIL = "django.core.mail.backends."


def env(**environ: str) -> Env:
    return Env(environ)


# Set, empty, missing


def test_a_variable_without_a_default_is_required() -> None:
    """A missing variable is refused with its name and the hint."""
    with pytest.raises(ImproperlyConfigured, match=r"^SECRET_KEY is required\. Hint: 50 random characters\.$"):
        env().secret("SECRET_KEY", hint="50 random characters")


def test_an_empty_variable_counts_as_not_set() -> None:
    """An empty or blank value gives the default."""
    assert env(SWEEP_INTERVAL=" ").duration("SWEEP_INTERVAL", timedelta(minutes=5)) == timedelta(minutes=5)


def test_a_required_variable_may_not_be_empty() -> None:
    """Empty does not satisfy a requirement."""
    with pytest.raises(ImproperlyConfigured, match="PUBLIC_URL is required"):
        env(PUBLIC_URL="").url("PUBLIC_URL")


def test_text_is_taken_without_the_spaces_around_it() -> None:
    """Spaces around a text are not part of it."""
    assert env(LABEL=" bakery ").text("LABEL") == "bakery"


# Secrets


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    """NAME_FILE names a file whose content, less one newline at its end, is the secret."""
    file = tmp_path / "secret"
    file.write_text(" kept as it is \n\n")

    assert env(SECRET_KEY_FILE=str(file)).secret("SECRET_KEY") == " kept as it is \n"


def test_a_database_may_come_from_a_file(tmp_path: Path) -> None:
    """A URL that holds a password is a secret too."""
    file = tmp_path / "url"
    file.write_text("postgresql://db.example/pay\n")

    assert env(DATABASE_URL_FILE=str(file)).database("DATABASE_URL")["NAME"] == "pay"


def test_a_secret_has_one_source(tmp_path: Path) -> None:
    """NAME and NAME_FILE together are refused, for nobody could tell which counts."""
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY and SECRET_KEY_FILE are both set"):
        env(SECRET_KEY="a", SECRET_KEY_FILE=str(tmp_path)).secret("SECRET_KEY")


@pytest.mark.parametrize(
    ("content", "fault"), [(None, "No such file"), (b"\n", "is empty in"), (b"\xff", "is not UTF-8")]
)
def test_a_secret_s_file_must_hold_one(tmp_path: Path, content: bytes | None, fault: str) -> None:
    """A file that is missing, empty or not text is refused, even where there is a default."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ImproperlyConfigured, match=fault):
        env(SECRET_KEY_FILE=str(file)).secret("SECRET_KEY", "")


def test_the_environment_does_not_print_itself() -> None:
    """The repr of an Env shows no value."""
    assert "hush" not in repr(env(SECRET_KEY="hush"))


@given(
    before=st.sampled_from(["", "postgres://", "postgres://u:", "smtp://u:", "smtp://", "http://u:", "[", "x://["]),
    after=st.sampled_from(["", "@host/db", "@host", "@[", "@host:port/", "/@h/d", "#@h/d", "%zz@h/d", "?@h", "\n"]),
)
def test_a_refusal_never_repeats_a_secret(before: str, after: str) -> None:
    """However odd a URL with a password is, what is raised and its traceback do not repeat the password."""
    source = env(URL=f"{before}hushhush{after}")

    for read in (source.database, source.email_url, lambda name: source.url(name, credentials=True)):
        try:
            read("URL")
        except ImproperlyConfigured as refusal:
            assert "hush" not in str(refusal)
            assert refusal.__suppress_context__


def test_a_password_in_a_plain_address_is_not_repeated() -> None:
    """An address that should hold no password is refused without repeating it."""
    with pytest.raises(ImproperlyConfigured, match=r"^PUBLIC_URL holds a user or a password\."):
        env(PUBLIC_URL="https://u:hush@pay.example").url("PUBLIC_URL")


def test_another_value_is_repeated_up_to_a_length() -> None:
    """A refusal shows the odd value that is no secret, and cuts a long one short."""
    with pytest.raises(ImproperlyConfigured) as refusal:
        env(BIND="\t" + "x" * 500).number("BIND")

    assert str(refusal.value) == f"BIND='{'x' * 80}…' is not a whole number."


# Plain values


@pytest.mark.parametrize(
    ("written", "meant"),
    [("1", True), ("true", True), ("Yes", True), ("ON", True)]
    + [("0", False), ("false", False), ("No", False), ("OFF", False)],
)
def test_a_flag_is_yes_or_no(written: str, meant: bool) -> None:
    """A flag knows four words for yes and four for no, in any case."""
    assert env(DEBUG=written).flag("DEBUG") is meant


@pytest.mark.parametrize("written", ["2", "y", "enabled", "-1"])
def test_a_flag_is_nothing_else(written: str) -> None:
    """A word that is neither yes nor no is refused rather than guessed at."""
    with pytest.raises(ImproperlyConfigured, match="is neither yes nor no"):
        env(DEBUG=written).flag("DEBUG", False)


def test_a_number_is_whole_and_within_its_bounds() -> None:
    """The bounds of a number belong to it."""
    source = env(LOW="0", HIGH="10")

    assert [source.number(name, minimum=0, maximum=10) for name in ("LOW", "HIGH")] == [0, 10]


@pytest.mark.parametrize(
    ("written", "fault"),
    [("-1", "is less than 0"), ("11", "is more than 10"), ("1.5", "is not a whole number")]
    + [(odd, "is not a whole number") for odd in ("1_0", "٣", "0x1", "many", "9" * 5000)],
)
def test_an_odd_number_is_refused(written: str, fault: str) -> None:
    """What is no whole number in plain digits, or out of bounds, is refused."""
    with pytest.raises(ImproperlyConfigured, match=fault):
        env(COUNT=written).number("COUNT", 0, minimum=0, maximum=10)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("30s", timedelta(seconds=30)),
        ("10m", timedelta(minutes=10)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("45", timedelta(seconds=45)),
        ("0.2s", timedelta(milliseconds=200)),
        ("99999999d", timedelta(days=99999999)),
    ],
)
def test_a_duration_has_a_unit_or_counts_seconds(written: str, meant: timedelta) -> None:
    """A duration is a number with ms, s, m, h or d, or plain seconds."""
    assert env(CLAIM_DELAY=written).duration("CLAIM_DELAY") == meant


@pytest.mark.parametrize("written", ["-1s", "1w", "30 s", "1h30m", "s", "1e3", "9999999999d", "３0s"])
def test_an_odd_duration_is_refused(written: str) -> None:
    """What could be misread as a duration is refused."""
    with pytest.raises(ImproperlyConfigured, match="is not a duration"):
        env(CLAIM_DELAY=written).duration("CLAIM_DELAY")


@pytest.mark.parametrize("written", ["0", "0s", "999ms"])
def test_a_duration_may_have_a_least_length(written: str) -> None:
    """A pause that is none is refused where work would follow work without end."""
    with pytest.raises(ImproperlyConfigured, match=r"is shorter than 1s"):
        env(SWEEP_INTERVAL=written).duration("SWEEP_INTERVAL", minimum=timedelta(seconds=1))

    assert env(SWEEP_INTERVAL="1s").duration("SWEEP_INTERVAL", minimum=timedelta(seconds=1)) == timedelta(seconds=1)


def test_a_choice_is_one_of_the_choices() -> None:
    """A choice is taken literally."""
    choices = ("production", "development")

    assert env(ENVIRONMENT="development").choice("ENVIRONMENT", choices) == "development"
    with pytest.raises(ImproperlyConfigured, match="'Production' is none of production, development"):
        env(ENVIRONMENT="Production").choice("ENVIRONMENT", choices)


def test_networks_are_read_in_both_families() -> None:
    """A network may be of IPv4 or IPv6, a single address, and spelled long."""
    source = env(NETWORKS="127.0.0.0/8, ::1, 0:0::/16")

    assert source.networks("NETWORKS") == (ip_network("127.0.0.0/8"), ip_network("::1"), ip_network("::/16"))


@pytest.mark.parametrize(
    ("written", "fault"),
    [("10.0.0.5/8", r"the network is 10\.0\.0\.0/8"), ("::1/64", "the network is ::/64")]
    + [(odd, "is no network") for odd in ("localhost", "10.0.0.0/33", "10.0.0.0/8;::1")],
)
def test_an_odd_network_is_refused(written: str, fault: str) -> None:
    """A host with a network's mask is refused, and the network it may have meant is named."""
    with pytest.raises(ImproperlyConfigured, match=fault):
        env(NETWORKS=written).networks("NETWORKS", ())


# Addresses


def test_a_url_is_ready_to_be_joined() -> None:
    """The base of a URL comes without its last slash."""
    assert env(PUBLIC_URL="https://pay.example/base/").url("PUBLIC_URL") == "https://pay.example/base"


def test_a_url_may_be_off() -> None:
    """Where empty means off, an empty URL wins over the default."""
    assert env(OUTBOUND_PROXY="").url("OUTBOUND_PROXY", "http://proxy:3128", blank=True) == ""


def test_a_proxy_may_hold_credentials() -> None:
    """A URL may hold a user and a password where that is wanted."""
    url = "http://u:p@proxy:3128"

    assert env(OUTBOUND_PROXY=url).url("OUTBOUND_PROXY", credentials=True) == url


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("pay.example", "does not begin with https: or http:"),
        ("ftp://pay.example", "does not begin with https: or http:"),
        ("https:///path", "names no host"),
        ("https://pay_.exam ple", "a space or a control"),
        ("https://pay.exam\nple", "a space or a control"),
        ("https://한국.example", "no plain name"),
        ("https://pay.example:0", "has a port that is not"),
        ("https://pay.example:65536", "has a port that is not"),
        ("https://pay.example?x=1", "holds a query"),
        ("https://pay.example/#", "holds a query or a fragment"),
        ("https://[::1", "is not an address"),
    ],
)
def test_an_odd_url_is_refused(written: str, fault: str) -> None:
    """A URL that nothing could be joined to, or that another reader might read otherwise, is refused."""
    with pytest.raises(ImproperlyConfigured, match=fault):
        env(PUBLIC_URL=written).url("PUBLIC_URL")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("[::1]:8000", ("::1", 8000)),
        ("LOCALHOST:1", ("localhost", 1)),
    ],
)
def test_an_address_is_host_and_port(written: str, meant: tuple[str, int]) -> None:
    """An address to listen on is read into host and port, the brackets of IPv6 gone."""
    assert env(BIND=written).address("BIND") == meant


def test_an_address_s_default_is_written_the_same_way() -> None:
    """The default of an address is read like its value."""
    assert env().address("BIND", "127.0.0.1:8000") == ("127.0.0.1", 8000)


def test_an_address_may_be_off() -> None:
    """Where empty means off, an address that is empty is None, whatever its default."""
    assert env(METRICS_BIND="").address("METRICS_BIND", "127.0.0.1:9000", blank=True) is None
    assert env().address("METRICS_BIND", "", blank=True) is None


@pytest.mark.parametrize(
    "written",
    ["8000", "localhost", "localhost:", ":8000", "::1:8000", "x:0", "x:65536", "x:８０", "x:1/y", "u@x:1"]
    + ["http://x:80", "[::1]y:80", "[x]:80", "x y:80", "x:080"],
)
def test_an_odd_address_is_refused(written: str) -> None:
    """What is not exactly host:port is refused."""
    with pytest.raises(ImproperlyConfigured, match=r"Hint: such as 127\.0\.0\.1:8000\.$"):
        env(BIND=written).address("BIND", "127.0.0.1:8000")


# Databases


def test_a_database_url_becomes_django_s_settings() -> None:
    """User, password, host, port and name are decoded; the query becomes OPTIONS."""
    url = "postgres://pay:p%40ss%2Fword@db.example:5433/paywitness?sslmode=require&application_name=a+b"

    assert env(DATABASE_URL=url).database("DATABASE_URL") == {
        "NAME": "paywitness",
        "USER": "pay",
        "PASSWORD": "p@ss/word",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require", "application_name": "a+b"},
    }


def test_a_database_may_be_behind_a_socket() -> None:
    """A folder as the host in the query names the socket to use."""
    url = "postgresql://paywitness@/paywitness?host=/var/tmp/Pay/socket&port=5432"

    settings = env(DATABASE_URL=url).database("DATABASE_URL")

    assert (settings["HOST"], settings["PORT"], settings["OPTIONS"]) == ("/var/tmp/Pay/socket", "5432", {})


def test_what_a_database_url_leaves_out_stays_empty() -> None:
    """Parts that a URL does not name are empty, so that PostgreSQL's own defaults hold."""
    settings = env(DATABASE_URL="postgresql://[::1]/pay").database("DATABASE_URL")

    assert settings == {"NAME": "pay", "USER": "", "PASSWORD": "", "HOST": "::1", "PORT": "", "OPTIONS": {}}


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("mysql://h/d", "does not begin with postgresql://"),
        ("host=h dbname=d", "does not begin with postgresql://"),
        ("postgres://h/", "does not name one database"),
        ("postgres://u:a/b@h/d", "does not name one database"),
        ("postgres://h:0/d", "has a port that is not"),
        ("postgres://h:65536/d", "has a port that is not"),
        ("postgres://h:five/d", "has a port that is not"),
        ("postgres://u:100%@h/d", "is no URL that PostgreSQL understands"),
        ("postgres://h/d?ssl_mode=require", "is no URL that PostgreSQL understands"),
        ("postgres://h/d\n", "a space or a control character"),
    ],
)
def test_an_odd_database_is_refused(written: str, fault: str) -> None:
    """Another database, none, several, an odd port, a bare % or an unknown option is refused at start."""
    with pytest.raises(ImproperlyConfigured, match=fault):
        env(DATABASE_URL=written).database("DATABASE_URL")


# Mail


def test_mail_goes_by_smtp_with_starttls() -> None:
    """An smtp URL with tls=1 becomes Django's settings, its user and password decoded."""
    url = "smtp://pay%40shop.example:p%2Bw@mail.example?tls=1"

    assert env(EMAIL_URL=url).email_url("EMAIL_URL") == {
        "EMAIL_BACKEND": MAIL + "smtp.EmailBackend",
        "EMAIL_HOST": "mail.example",
        "EMAIL_PORT": 587,
        "EMAIL_HOST_USER": "pay@shop.example",
        "EMAIL_HOST_PASSWORD": "p+w",
        "EMAIL_USE_TLS": True,
        "EMAIL_USE_SSL": False,
        "EMAIL_TIMEOUT": 10,
    }


@pytest.mark.parametrize(
    ("url", "port", "ssl"),
    [
        ("smtps://mail.example", 465, True),
        ("smtp://mail.example", 25, False),
        ("smtp://mail.example:26", 26, False),
    ],
)
def test_mail_has_the_usual_ports(url: str, port: int, ssl: bool) -> None:
    """Without a port, smtps means 465 and smtp 25."""
    settings = env(EMAIL_URL=url).email_url("EMAIL_URL")

    assert (settings["EMAIL_PORT"], settings["EMAIL_USE_SSL"]) == (port, ssl)


@pytest.mark.parametrize(
    ("url", "backend"), [("console:", "console"), ("memory:", "locmem"), ("console://", "console")]
)
def test_mail_may_stay_here(url: str, backend: str) -> None:
    """Mail may be printed or kept in memory instead of sent."""
    assert env().email_url("EMAIL_URL", url) == {"EMAIL_BACKEND": f"{MAIL}{backend}.EmailBackend"}


@pytest.mark.parametrize(
    "url",
    ["mail.example", "http://mail.example", "smtp://", "smtp://h:x", "smtp://h?tls=maybe", "smtp://h?tsl=1"]
    + ["smtp://h/path", "smtps://h?tls=1", "console://h", "memory:x", "smtp://h?tls="],
)
def test_an_odd_mail_url_is_refused(url: str) -> None:
    """A mail URL with another scheme, no host, or anything but tls after it is refused."""
    with pytest.raises(ImproperlyConfigured, match="Hint: smtp://user:password@host"):
        env(EMAIL_URL=url).email_url("EMAIL_URL")
