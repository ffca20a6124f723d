"""Exit codes, streams and JSON where no engine runs: nothing is created, every failure is one sentence."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from harness_tui.config.paths import Paths

from .program import ARGV, run


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["frobnicate"], 2, "No such command 'frobnicate'"),
        (["run"], 2, "Give either a TASK in quotes or --task FILE."),
        (["run", "x", "--level", "L9"], 2, "'L9' is not one of"),
        (["run", "x", "--tools", "browser_clik", "--url", "http://127.0.0.1:1/v1"], 2, 'did you mean "browser_click"'),
        (["run", "--task", "no-such.toml"], 2, "There is no task file no-such.toml."),
        (["run", "x"], 78, "No model"),
        (["run", "x", "--api", "stand-on"], 2, 'did you mean "stand-in"'),
        (["demo", "nix"], 2, 'There is no demo "nix".'),
        (["demo", "--stage", "5"], 2, "5 is not in the range"),
        (["runs", "show", "r9"], 2, "There is no run r9."),
        (["runs", "cancel", "r9"], 78, "No engine runs"),
        (["runs", "cancel"], 2, "Name one RUN, or give --all."),
        (["runs", "cancel", "r9", "--all"], 2, "Name one RUN, or give --all."),
        (["runs", "cancel", "--all"], 78, "No engine runs"),
        (["budget", "set", "day"], 2, "Give --tokens N, --usd X, or --no-limit."),
        (["budget", "set", "day", "--tokens", "lots"], 2, '"lots" is no number of tokens.'),
        (["budget", "set", "day", "--usd", "nan"], 2, '"nan" is no amount of dollars.'),
        (["budget", "set", "day", "--usd", "5"], 78, "No engine runs"),
        (["budget", "show", "--by", "loop"], 2, "'loop' is not one of"),
        (["runs", "tail"], 78, "No engine answers"),
        (["approvals", "show", "A-9"], 2, "There is no approval A-9."),
        (["approvals", "approve", "A-9", "--digest", "0123456789ab"], 78, "No engine runs"),
        (["approvals", "approve", "A-9"], 2, "Missing option '--digest'"),
        (["approvals", "resolve", "A-9", "--digest", "0123456789ab"], 2, "exactly one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_failure_is_one_sentence_and_one_document(
    home: Paths, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, said: str
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    done = run(home, *words, "--output-format", "json")
    assert done.code == code
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    if "--output-format" not in done.err:
        assert done.json["exit"] == code
        assert said in done.json["error"]


def test_an_empty_home_has_nothing_and_stays_empty(home: Paths) -> None:
    home.home.rmdir()
    assert run(home, "runs", "list", "--output-format", "json").json == []
    assert run(home, "approvals", "list", "--output-format", "json").json == []
    assert run(home, "budget", "show", "--output-format", "json").json == []
    assert run(home, "budget", "show", "--by", "run", "--output-format", "json").json == []
    assert (run(home, "budget", "show").code, run(home, "budget", "show", "--by", "day").code) == (0, 0)
    status = run(home, "engine", "status", "--output-format", "json").json
    assert set(status) == {"running", "pid", "home", "workspaces", "socket", "version", "uptime_s"}
    assert status["running"] is False
    assert run(home, "engine", "stop").code == 0
    assert not home.home.exists()


def test_without_a_terminal_it_says_its_status_and_ends(home: Paths) -> None:
    done = run(home)
    assert done.code == 0
    assert done.out.startswith("no engine runs for ")
    assert done.err == ""


def test_a_closed_pipe_is_a_quiet_end(home: Paths) -> None:
    read, write = os.pipe()
    os.close(read)
    env = {**os.environ, "HARNESS_TUI_HOME": str(home.home)}
    done = subprocess.run([*ARGV, "engine", "status"], stdout=write, stderr=subprocess.PIPE, env=env)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_untrusted_words_come_out_as_escapes(home: Paths) -> None:
    evil = "x\x1b]52;c;cGF3bmVk\x07\u202e"
    plain = run(home, "runs", "show", evil)
    document = run(home, "runs", "show", evil, "--output-format", "json")
    for text in (plain.err, document.err, document.out):
        assert not [char for char in text if (ord(char) < 32 and char != "\n") or ord(char) > 126]
    assert "\\x1b]52" in plain.err
    assert evil in json.loads(document.out)["error"]


def test_doctor_looks_at_everything(home: Paths) -> None:
    done = run(home, "doctor", "--for", "tests", "--output-format", "json")
    found = {check["name"]: check for check in done.json["checks"]}
    names = {"python", "package", "sqlite", "home", "engine", "journal", "terminal", "browser", "tmux", "sshd", "git"}
    assert names <= set(found)
    assert all(check["ok"] or check["remedy"] for check in found.values())
    assert (done.code, done.json["ok"]) == (0, True), done.out


def test_doctor_names_the_remedy_of_an_open_home(home: Paths) -> None:
    home.home.chmod(0o755)
    done = run(home, "doctor")
    assert done.code == 78
    assert f"-> chmod 700 {home.home}" in done.out
