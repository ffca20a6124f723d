"""The ladder: which place answers for `vault:NAME`, what is bound to an origin, and what is said when nobody has it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness_tui.config.vault import Entry, Ladder, Stores, Unavailable, bound_origin, check_name, is_pair, known
from harness_tui.config.vault.places import COMMAND, Command
from harness_tui.domain.errors import CredentialError, SetupError, UsageError
from harness_tui.domain.seams import Credential

from ..secret_service import SecretService

SITE = "https://news.example"


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """A home without a keyring (there is no bus), the encrypted file unlocked and quick."""
    found = Stores.of(tmp_path, {})
    found.file._work = 15
    found.file.unlock("correct horse")
    return found


def test_places_are_asked_in_order(session: SecretService, tmp_path: Path) -> None:
    session.unlock()
    stores = Stores.of(tmp_path, {COMMAND: f"{sys.executable} -c 'print(\"from the command\")' {{name}}"})
    stores.file._work = 15
    stores.file.unlock("correct horse")
    stores.session.set("A", "from this process")
    stores.file.set("A", "from the file")
    stores.keyring.set("A", "from the keyring")
    environ = {"A": "from the environment"}
    handed = Ladder(stores, environ, given={"A": "handed over"})
    assert handed.secret("vault:A") == handed.secret("env:A") == "handed over"
    assert handed.where("A").place == "environment"
    ladder = Ladder(stores, environ)
    assert ladder.secret("env:A") == "from the environment"

    seen = []
    for empty in (lambda: stores.keyring.remove("A"), environ.clear, lambda: setattr(stores, "command", None)):
        seen.append((ladder.where("A").place, ladder.secret("vault:A")))
        empty()
    seen.append((ladder.where("A").place, ladder.secret("vault:A")))
    stores.file.remove("A")
    seen.append((ladder.where("A").place, ladder.secret("vault:A")))
    assert seen == [
        ("keyring", "from the keyring"),
        ("environment", "from the environment"),
        ("command", "from the command"),
        ("encrypted file", "from the file"),
        ("this process", "from this process"),
    ]


def test_where_tells_why_and_what_a_stolen_disk_gives(stores: Stores) -> None:
    stores.file.set("A", "hunter22")
    place = Ladder(stores, {}).where("A")
    assert place.place == "encrypted file" and place.usable
    assert "no keyring works here" in place.why and "the variable A is not set" in place.why
    assert place.leak.startswith("only ciphertext")
    assert "hunter22" not in repr(place)


def test_what_nobody_has_is_said_with_every_place_asked(stores: Stores) -> None:
    stores.file.set("B", "other")
    with pytest.raises(CredentialError) as caught:
        Ladder(stores, {}).secret("vault:A")
    said = str(caught.value)
    assert said.startswith("There is no key A: no keyring works here")
    assert "the variable A is not set; it is not in the encrypted file." in said
    assert said.endswith("Run: harness-tui key set A") and caught.value.exit_code == 7


def test_a_locked_place_is_named_and_passed_over(stores: Stores) -> None:
    stores.file.set("A", "hunter22")
    locked = Stores.of(stores.file.path.parent, {})
    with pytest.raises(CredentialError, match=r"key A is not to be had: .*is locked.*Run: harness-tui key unlock"):
        Ladder(locked, {}).secret("vault:A")
    locked.session.set("A", "unlocked by hand")
    assert Ladder(locked, {}).secret("vault:A") == "unlocked by hand"


def test_a_locked_keyring_is_said(session: SecretService, tmp_path: Path) -> None:
    session.unlock()
    Stores.of(tmp_path, {}).keyring.set("A", "hunter22")
    session.again("another password")
    ladder = Ladder(Stores.of(tmp_path, {}), {})
    with pytest.raises(CredentialError, match=r"the keyring is locked.*harness-tui key set A --store file"):
        ladder.secret("vault:A")
    assert not ladder.where("A").usable
    assert Ladder(Stores.of(tmp_path, {}), {"A": "fallback"}).where("A").why == "the keyring is locked"


def test_every_value_is_told_before_it_is_given(stores: Stores) -> None:
    stores.session.set("KEY", "hunter22")
    stores.session.set("LOGIN", Entry("s3cret", "ann", SITE).encode())
    told: list[str] = []
    ladder = Ladder(stores, {"K": "k-value-1", "U": "bob", "P": "p-value"}, on_secret=told.append)
    ladder.secret("vault:KEY")
    ladder.secret("env:K")
    ladder.credential("env:U,P")
    ladder.credential("vault:LOGIN", SITE)
    assert told == ["hunter22", "k-value-1", "p-value", "s3cret"]
    assert not [value for value in told if value in f"{ladder!r} {stores!r} {stores.session!r} {stores.file!r}"]


@pytest.mark.parametrize("handle", ["", "hunter2hunter2", "vault:9", "vault:a b", "vault:-x", "env:A B", "sk-1:23"])
def test_other_handles_are_refused_without_being_repeated(stores: Stores, handle: str) -> None:
    ladder = Ladder(stores, {"A": "1"})
    for call in (ladder.secret, ladder.credential):
        with pytest.raises(CredentialError, match="is not supported") as caught:
            call(handle)
        assert not handle or handle not in str(caught.value)
    assert is_pair("vault:site.one") and is_pair("env:A,B") and not is_pair(handle)


# -- bound to an origin --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "there",
    [
        "http://news.example",
        "https://news.example.evil.io",
        "https://news.example@evil.io",
        "https://evil.io",
        "https://news.example:8443",
        "https://login.news.example",
        "https://NEWS.example.",
        "",
        "null",
        "javascript:alert(1)",
        "https://news.example\\@evil.io",
        "https://[news.example",
    ],
)
def test_a_bound_login_is_given_for_its_origin_only(stores: Stores, there: str) -> None:
    stores.session.set("SITE", Entry("s3cret", "ann", SITE).encode())
    stores.session.set("KEY", Entry("k-value", origin=SITE).encode())
    told: list[str] = []
    ladder = Ladder(stores, {}, on_secret=told.append)
    assert ladder.credential("vault:SITE", SITE) == Credential("ann", "s3cret")
    assert ladder.credential("vault:SITE", f"{SITE}:443/login?x") == Credential("ann", "s3cret")
    assert ladder.secret("vault:KEY", f"{SITE}/v1") == "k-value"
    told.clear()
    for call in (lambda: ladder.credential("vault:SITE", there), lambda: ladder.secret("vault:KEY", there)):
        with pytest.raises(CredentialError, match=f"is bound to {SITE}") as caught:
            call()
        assert "s3cret" not in str(caught.value) and "k-value" not in str(caught.value)
    assert told == []


def test_a_key_is_no_login_and_a_login_no_key(stores: Stores) -> None:
    stores.session.set("SITE", Entry("s3cret", "ann", SITE).encode())
    stores.session.set("KEY", "k-value")
    ladder = Ladder(stores, {})
    with pytest.raises(CredentialError, match="SITE is a login, not a key"):
        ladder.secret("vault:SITE", SITE)
    with pytest.raises(CredentialError, match="KEY is a key, not a login"):
        ladder.credential("vault:KEY", SITE)


@pytest.mark.parametrize(
    ("url", "login", "origin"),
    [
        ("https://News.Example:443/", True, "https://news.example"),
        ("http://127.0.0.1:8765", True, "http://127.0.0.1:8765"),
        ("http://[::1]:80", True, "http://[::1]"),
        ("https://api.example/v1", False, "https://api.example"),
        ("http://10.0.0.5:8000/v1", False, "http://10.0.0.5:8000"),
    ],
)
def test_an_origin_has_one_spelling(url: str, login: bool, origin: str) -> None:
    assert bound_origin(url, login=login) == origin


@pytest.mark.parametrize(
    "url",
    [
        "news.example",
        "*google.com",
        "https://*.example.com",
        "https://example.*",
        "https://a@b.example",
        "ftp://a.example",
        "http://news.example",
        "https://news.example/login",
        "https://",
        "https://\u0435xample.com",
        "https://a b",
        "",
    ],
)
def test_what_is_no_origin_of_a_login_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        bound_origin(url, login=True)
    assert caught.value.exit_code == 2


def test_a_record_that_cannot_be_read_is_said_without_being_shown(stores: Stores) -> None:
    stores.session.set("A", '{"harness-tui":1,"secret":7,"hunter22"')
    with pytest.raises(CredentialError, match="What is kept as A cannot be read") as caught:
        Ladder(stores, {}).secret("vault:A")
    assert "hunter22" not in str(caught.value)
    odd = Entry('{"harness-tui": a key that looks like a record}')
    assert Entry.decode("A", odd.encode()) == odd


@pytest.mark.parametrize("name", ["A", "_x", "site.one-2", "OPENAI_API_KEY", "a" * 64])
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "1a", "a b", "a=b", "-x", "a" * 65, "\u00e4", "a\n", "sk-proj-0123456789abcd"])
def test_what_is_no_name_is_refused_without_being_repeated(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_name(name)
    assert len(name) < 5 or name not in str(caught.value)


# -- the command ---------------------------------------------------------------------------------------------------


def script(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "keys.py").write_text(text)
    return [sys.executable, str(tmp_path / "keys.py"), "{name}"]


def test_the_first_line_a_command_prints_is_the_key(tmp_path: Path) -> None:
    argv = script(tmp_path, "import sys; print('key of', sys.argv[1:]); print('a note')")
    assert Command(argv).get("A.b-c") == "key of ['A.b-c']"
    assert Command([*argv, "; touch x"]).get("A") == "key of ['A', '; touch x']", "no shell reads it"


@pytest.mark.parametrize(
    ("text", "patience", "said"),
    [
        ("import sys; print('k'); sys.exit('A is not in the store')", 60, "ended with 1: A is not in the store"),
        ("import time; print('k', flush=True); time.sleep(600)", 1, "did not answer within 1 s"),
    ],
)
def test_a_command_that_fails_is_said(tmp_path: Path, text: str, patience: float, said: str) -> None:
    with pytest.raises(Unavailable, match=said) as caught:
        Command(script(tmp_path, text), patience=patience).get("A")
    assert "Try it by hand" in caught.value.next_step


def test_a_command_that_prints_nothing_has_no_key(tmp_path: Path) -> None:
    assert Command(script(tmp_path, "print()")).get("A") is None
    with pytest.raises(Unavailable, match="cannot be started"):
        Command(["/nowhere/pass", "{name}"]).get("A")


@pytest.mark.parametrize("line", ["pass show", "{name}", "pass 'show {name}"])
def test_a_command_must_say_where_the_name_goes(line: str) -> None:
    with pytest.raises(SetupError):
        Command.configured({COMMAND: line})


# -- putting and listing -------------------------------------------------------------------------------------------


def test_putting_a_key_elsewhere_moves_it(session: SecretService, stores: Stores) -> None:
    session.unlock()
    assert stores.put("A", Entry("one"), stores.file) == []
    assert stores.put("A", Entry("two"), stores.keyring) == []
    assert stores.file.all() == {} and stores.index.stores("A") == ["keyring"]
    assert stores.put("A", Entry("three"), stores.file) == []
    assert stores.keyring.get("A") is None and Ladder(stores, {}).secret("vault:A") == "three"
    stores.put("A", Entry("four"), stores.keyring)
    session.bus.kill()
    session.bus.wait()
    (left,) = stores.put("A", Entry("five"), stores.file)
    assert left.exit_code == 78 and stores.index.stores("A") == ["encrypted file", "keyring"]


def test_known_keys_are_those_set_here_and_the_vendors_variables(stores: Stores) -> None:
    stores.put("MINE", Entry("s3cret", "ann", SITE), stores.file)
    stores.index.note("GONE", ["keyring"])
    places = known(stores, {"OPENAI_API_KEY": "k-value", "OTHER": "x", "GEMINI_API_KEY": ""})
    assert [(place.name, place.place, place.usable, place.login, place.origin) for place in places] == [
        ("GONE", "keyring", False, False, ""),
        ("MINE", "encrypted file", True, True, SITE),
        ("OPENAI_API_KEY", "environment", True, False, ""),
    ]


def test_the_index_holds_names_only_and_a_broken_one_says_so(stores: Stores) -> None:
    stores.put("MINE", Entry("s3cret", "ann", SITE), stores.file)
    assert b"s3cret" not in stores.index.path.read_bytes() and b"ann" not in stores.index.path.read_bytes()
    stores.index.path.write_bytes(b"{")
    with pytest.raises(SetupError, match=r"keys\.json cannot be read"):
        known(stores, {})
