"""`key set|list|remove|unlock` as a shell sees them, against a real Secret Service; what is refused, and what leaks."""

from __future__ import annotations

import base64
import html
import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from harness_tui.cli.checks import keys
from harness_tui.config.paths import Paths
from harness_tui.daemon.spawn import stop_running

from ..cli.program import ARGV, PATIENCE
from ..secret_service import SecretService
from .conftest import Key

CANARY = 'C4nary <"v\u00e4lue"> & 7/9'
PASSPHRASE = "correct horse"
JSON = ("--output-format", "json")
SITE = "https://news.example"


def forms(value: str) -> list[bytes]:
    """The six encodings nothing may hold the value in."""
    raw = value.encode()
    texts = [quote(value, safe=""), base64.b64encode(raw).decode().rstrip("="), raw.hex(), json.dumps(value)[1:-1]]
    return [raw, html.escape(value).encode(), *(text.encode() for text in texts)]


def leaks(value: str, *places: bytes) -> list[bytes]:
    return [form for form in forms(value) for place in places if form in place]


def files(home: Paths) -> list[bytes]:
    return [file.read_bytes() for file in home.home.rglob("*") if file.is_file()]


def test_a_key_is_set_listed_and_removed(session: SecretService, home: Paths, key: Key) -> None:
    session.unlock()
    done = key("set", "MINE", *JSON, typed=f"{CANARY}\n")
    assert (done.code, done.json["place"], done.json["handle"]) == (0, "keyring", "vault:MINE"), done.err
    (row,) = key("list", *JSON).json
    assert (row["name"], row["place"], row["usable"], row["origin"]) == ("MINE", "keyring", True, "")
    assert "MINE  keyring  any" in key("list").out
    assert key("remove", "MINE", *JSON).json == {"name": "MINE", "removed": ["keyring"], "exit": 0}
    assert key("list", *JSON).json == []
    assert key("remove", "MINE").code == 2


def test_a_login_is_bound_to_its_site(session: SecretService, key: Key) -> None:
    session.unlock()
    refused = key("set", "SITE", "--login", typed="ann\npw\n")
    assert (refused.code, "Add --origin" in refused.err) == (2, True)
    assert key("set", "SITE", "--login", "--origin", f"{SITE}:443/", typed=f"ann\n{CANARY}\n").code == 0
    (row,) = key("list", *JSON).json
    assert (row["login"], row["origin"]) == (True, SITE)


def test_a_key_set_in_another_home_can_be_removed(session: SecretService, tmp_path: Path, key: Key) -> None:
    session.unlock()
    assert key("set", "MINE", typed="v\n", HARNESS_TUI_HOME=str(tmp_path / "other")).code == 0
    assert key("list", *JSON).json == []
    assert key("remove", "MINE", *JSON).json["removed"] == ["keyring"]


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (["set", "MINE"], "", "The value is empty."),
        (["set", "MINE"], "  \n", "The value is empty."),
        (["set", "MINE"], "a\x1bb\n", "holds a control character"),
        (["set", "MINE", CANARY], f"{CANARY}\n", "A value is never an argument"),
        (["set", "MINE", f"--value={CANARY}"], "", "No such option"),
        (["set", CANARY], "v\n", "A key's name is"),
        (["set", f"MINE={CANARY}"], "v\n", "A key's name is"),
        (["set", "SITE", "--login", "--origin", "https://*.example"], "ann\npw\n", "--origin must be"),
        (["set", "SITE", "--login", "--origin", SITE], "ann\n", "The password is empty."),
        (["set", "MINE", "--store", "file"], "v\nshort\n", "at least 8 characters"),
        (["remove", "NONE"], "", "There is no key NONE."),
    ],
    ids=str,
)
def test_what_is_refused_is_one_sentence_and_keeps_nothing(
    session: SecretService, home: Paths, key: Key, words: list[str], typed: str, said: str
) -> None:
    session.unlock()
    done = key(*words, *JSON, typed=typed)
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert said in done.err and said in done.json["error"]
    assert leaks(CANARY, done.out.encode(), done.err.encode()) == []
    assert not list(home.home.glob("keys.enc")) and key("list", *JSON).json == []


def test_without_a_keyring_nothing_is_kept_and_the_next_command_is_named(home: Paths, key: Key) -> None:
    done = key("set", "SITE", "--login", "--origin", SITE, typed=f"ann\n{CANARY}\n")
    assert done.code == 78
    assert "No keyring works here" in done.err and "Nothing was kept." in done.err
    assert f"harness-tui key set SITE --login --origin {SITE} --store file" in done.err
    assert "DBUS" in done.err and list(home.home.iterdir()) == []


def test_a_locked_keyring_ends_with_7(session: SecretService, key: Key) -> None:
    session.unlock()
    key("set", "MINE", typed=f"{CANARY}\n")
    session.again("not the password")
    done = key("set", "MINE", typed="v\n")
    assert done.code == 7
    assert "The keyring is locked." in done.err and "harness-tui key set MINE --store file" in done.err
    assert [(row["place"], row["usable"]) for row in key("list", *JSON).json] == [("keyring", False)]
    bad = {check.name: check.detail for check in keys.all_of() if not check.ok}
    assert set(bad) == {"keyring", "key MINE"} and "locked" in bad["keyring"]


def test_the_encrypted_file_needs_its_passphrase(home: Paths, key: Key) -> None:
    assert key("set", "MINE", "--store", "file", typed=f"{CANARY}\n{PASSPHRASE}\n").code == 0
    (row,) = key("list", *JSON).json
    assert (row["place"], row["usable"], row["remedy"]) == ("encrypted file", False, "Run: harness-tui key unlock")
    wrong = key("set", "OTHER", "--store", "file", typed="v\nanother one\n")
    assert (wrong.code, "The passphrase is wrong." in wrong.err) == (7, True)
    damaged = home.home / "keys.enc"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])
    broken = key("remove", "MINE", typed=f"{PASSPHRASE}\n")
    assert (broken.code, "is damaged or was changed" in broken.err) == (78, True)
    damaged.write_bytes(whole)
    assert key("remove", "MINE", *JSON, typed=f"{PASSPHRASE}\n").json["removed"] == ["encrypted file"]


@pytest.fixture
def engine(home: Paths, key: Key) -> Iterator[None]:
    assert key("start", verb="engine").code == 0
    yield
    stop_running(home, now=True)


@pytest.mark.usefixtures("engine")
def test_the_engine_is_handed_a_key_for_as_long_as_it_lives(home: Paths, key: Key) -> None:
    assert key("set", "MINE", "--store", "session", typed=f"{CANARY}\n").code == 0
    key("set", "OTHER", "--store", "file", typed=f"{CANARY}\n{PASSPHRASE}\n")
    assert key("unlock", *JSON, typed=f"{PASSPHRASE}\n").json == {"names": ["OTHER"], "exit": 0}
    assert key("unlock", typed="wrong passphrase\n").code == 7
    assert leaks(CANARY, *files(home)) == []


def test_a_session_needs_an_engine(key: Key) -> None:
    done = key("set", "MINE", "--store", "session", typed="v\n")
    assert (done.code, "No engine runs" in done.err) == (78, True)
    none = key("unlock", typed="v\n")
    assert (none.code, "no encrypted file to unlock" in none.err) == (78, True)


@pytest.mark.parametrize("store", ["keyring", "file"])
def test_a_value_is_in_no_argument_file_or_output(session: SecretService, home: Paths, key: Key, store: str) -> None:
    session.unlock()
    env = {**os.environ, "HARNESS_TUI_HOME": str(home.home)}
    argv = [*ARGV, "key", "set", "MINE", "--store", store]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, env=env, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin
        process.stdin.write(CANARY.encode())
        process.stdin.flush()  # it waits for the line's end: this is what `ps` sees
        proc = Path(f"/proc/{process.pid}")
        shown = (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
        out, err = process.communicate(f"\n{PASSPHRASE}\n".encode(), timeout=PATIENCE)
        assert process.returncode == 0, err
    said = [text.encode() for done in (key("list"), key("list", *JSON)) for text in (done.out, done.err)]
    said += [repr(check).encode() for check in keys.all_of()]
    places = [shown, out, err, *said, *files(home)]
    assert len(files(home)) >= 2
    assert leaks(CANARY, *places) == leaks(PASSPHRASE, *places) == []


def test_what_is_typed_at_a_terminal_is_not_shown(session: SecretService, home: Paths) -> None:
    session.unlock()
    ours, theirs = pty.openpty()
    env = {**os.environ, "HARNESS_TUI_HOME": str(home.home), "PYTHONUNBUFFERED": "1"}
    argv = [*ARGV, "key", "set", "MINE"]
    process = subprocess.Popen(argv, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    seen = b""
    while b"(hidden): " not in seen:
        seen += os.read(ours, 1000)
    assert not termios.tcgetattr(ours)[3] & termios.ECHO
    os.write(ours, b"hunter22\n")
    assert process.wait(PATIENCE) == 0
    os.close(theirs)
    while chunk := _rest(ours):
        seen += chunk
    os.close(ours)
    assert b"MINE is in the keyring" in seen and b"hunter22" not in seen


def _rest(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1000)
    except OSError:
        return b""


def test_doctor_tells_of_each_key_where_it_is_and_what_a_stolen_disk_gives(session: SecretService, key: Key) -> None:
    session.unlock()
    key("set", "MINE", typed="v\n")
    key("set", "SEALED", "--store", "file", typed=f"v\n{PASSPHRASE}\n")
    found = key("--output-format", "json", verb="doctor", OPENAI_API_KEY=CANARY)
    checks = {check["name"]: check for check in found.json["checks"]}
    assert "(SecretService) kept an item" in checks["keyring"]["detail"]
    for name, place in (("MINE", "keyring"), ("SEALED", "encrypted file"), ("OPENAI_API_KEY", "environment")):
        assert checks[f"key {name}"]["ok"]
        assert f"In the {place}" in checks[f"key {name}"]["detail"]
        assert "From a stolen disk: " in checks[f"key {name}"]["detail"]
    assert leaks(CANARY, found.out.encode(), found.err.encode()) == []


def test_a_machine_without_a_keyring_is_in_order_until_a_key_is_in_one(home: Paths) -> None:
    (check,) = keys.all_of()
    assert check.ok and "No keyring works here" in check.detail
    (home.home / "keys.json").write_text('{"keys":{"MINE":["keyring"]}}')
    assert [(check.name, check.ok) for check in keys.all_of()] == [("keyring", False), ("key MINE", False)]


def test_the_command_of_the_configuration_is_asked(home: Paths, key: Key) -> None:
    argv = [sys.executable, "-c", "import sys; print('k-' + sys.argv[1])", "{name}"]
    (home.home / "config.toml").write_text(f"[keys]\ncommand = {json.dumps(argv)}\n")
    (home.home / "keys.json").write_text('{"keys":{"MINE":["keyring"]}}')
    (row,) = key("list", *JSON).json
    assert (row["place"], row["usable"]) == ("command", True)


def test_listing_starts_light_and_creates_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from harness_tui.cli.main import _run; _run(sys.argv[1:]); print(sorted({*%r} & {*sys.modules}))"
    )
    heavy = ["keyring", "cryptography", "asyncio", "textual", "rich", "pydantic"]
    env = {**os.environ, "HARNESS_TUI_HOME": str(tmp_path / "home")}
    for words in (["--help"], ["key", "--help"], ["key", "set", "--help"], ["key", "list", *JSON]):
        done = subprocess.run([sys.executable, "-c", code % heavy, *words], env=env, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "[]", words
    assert not (tmp_path / "home").exists()
