"""The verbs of loops and of their changes as a shell sees them: the real program, real git, a scripted model server."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from harness_tui.config.paths import Paths
from tests.cli.program import PATIENCE, Done, run
from tests.loops.crew import CLEAN, git, repository, writes
from tests.models.endpoint_server import EndpointServer

from .shell import model_server, one_sentence, say

pytestmark = pytest.mark.timeout(4 * PATIENCE)

T = TypeVar("T")
ROW = {
    *("id", "name", "intent", "workspace", "level", "state", "schedule", "zone", "next", "action", "last", "last_at"),
    *("streak", "rounds", "running", "waits", "source", "source_state", "digest", "paused"),
}
FILE = """\
name = "tidy"
intent = "Keep things tidy."
level = "L2"
schedule = "30 4 1 1 *"
zone = "Europe/Berlin"
workspace = "{repo}"

[maker]
prompt = "Tidy up."
model = {{ api = "openai-chat", url = "{maker}", model = "scripted" }}
tools = ["read_file", "write_file"]

[checker]
prompt = "Look."
model = {{ api = "openai-chat", url = "{checker}", model = "scripted" }}
tools = ["read_file"]

[action]
kind = "tidy"
do = "commit"

[budget]
tokens = 100_000

[promote]
rounds = 3
verified = 0.9
approved = 2
days = 7
"""


def until(what: Callable[[], T | None]) -> T:
    end = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)
    return found


class Shell:
    """One home, one repository, one loop file."""

    def __init__(self, home: Paths, folder: Path, maker: EndpointServer, checker: EndpointServer) -> None:
        self.home, self.repo, self.file = home, repository(folder / "repo"), folder / "tidy.toml"
        self.file.write_text(FILE.format(repo=self.repo, maker=maker.url, checker=checker.url))
        self.maker = maker

    def __call__(self, *words: str) -> Done:
        return run(self.home, *words, "--output-format", "json")

    def ok(self, *words: str) -> Any:
        done = self(*words)
        assert done.code == 0, (words, done.out, done.err)
        return done.json

    def asked(self, number: int) -> dict[str, Any]:
        """What waits from round `number`, once that has ended."""
        return until(lambda: next((a for a in self.ok("approvals", "list") if a["run"] == f"l1/{number}"), None))

    def ended(self, number: int) -> dict[str, Any]:
        return until(lambda: (row := self.ok("loop", "show", "tidy", "--round", str(number)))["ended"] and row)


@pytest.fixture
def shell(home: Paths, tmp_path: Path) -> Iterator[Shell]:
    rounds = [
        piece for text in ("one", "two", "three", "four") for piece in (writes("NOTES.md", f"{text}\n"), say(text))
    ]
    with model_server(*rounds, say("NOTHING TO DO")) as maker, model_server(CLEAN) as checker:
        yield Shell(home, tmp_path, maker, checker)
        run(home, "engine", "stop", "--now")


def test_a_loop_is_added_watched_and_removed(shell: Shell) -> None:
    assert shell("loop", "list").json == []
    added = shell.ok("loop", "add", str(shell.file))
    assert set(added) == {"id", "name", "level", "schedule", "zone", "next", "workspace", "digest", "text", "exit"}
    assert (added["id"], added["level"], added["next"][5:]) == ("l1", "L2", "01-01T04:30:00+01:00")
    assert "nothing has changed" in shell.ok("loop", "add", str(shell.file))["text"]
    (row,) = shell.ok("loop", "list")
    assert set(row) == ROW
    assert (row["name"], row["state"], row["source_state"]) == ("tidy", "active", "same")
    shown = shell.ok("loop", "show", "tidy")
    assert set(shown) > ROW
    assert (shown["spec"]["intent"], shown["rounds"], shown["drilled"]) == ("Keep things tidy.", [], False)
    assert len(shell.ok("loop", "preview", "tidy", "--count", "3")["fires"]) == 3
    why = shell.ok("loop", "why", "tidy")
    assert set(why) == {"loop", "why"}
    assert all(set(line) == {"about", "text"} for line in why["why"])

    shell.ok("loop", "pause", "tidy", "--reason", "lunch", "--until", "4h")
    (row,) = shell.ok("loop", "list")
    assert (row["state"], row["paused"]["reason"]) == ("paused", "lunch")
    assert "lunch" in json.dumps(shell.ok("loop", "why", "tidy"))
    shell.ok("loop", "resume", "tidy")
    one_sentence(shell("loop", "resume", "tidy"), 2, "not paused")

    lacks = one_sentence(shell("loop", "promote", "tidy"), 2, "stays at L2")
    text = json.dumps(shell.ok("loop", "show", "tidy")["evidence"]) + lacks
    for word in ("rounds", "verified", "approved", "days"):
        assert word in text
    open_lines = [each["line"] for each in shell.ok("loop", "show", "tidy")["evidence"] if not each["met"]]
    assert len(open_lines) >= 4
    shell.ok("loop", "demote", "tidy", "--reason", "not yet")
    assert shell.ok("loop", "show", "tidy")["level_why"] == "not yet"
    one_sentence(shell("loop", "demote", "tidy"), 2, "L1")
    shell.ok("loop", "remove", "tidy")
    assert shell.ok("loop", "list") == []
    assert [row["state"] for row in shell.ok("loop", "list", "--all")] == ["removed"]
    one_sentence(shell("loop", "run", "tidy"), 2, "no loop tidy")
    one_sentence(shell("loop", "show", "tidier"), 2, "tidier")


@pytest.mark.parametrize(
    ("old", "new", "line", "key"),
    [
        ('schedule = "30 4 1 1 *"', 'schedule = "30 4 1 1"', 4, "schedule"),
        ('zone = "Europe/Berlin"', 'zone = "Europe/Atlantis"', 5, "zone"),
        ('do = "commit"', 'do = "destroy"', 20, "do"),
        ("tokens = 100_000", 'tokens = "many"', 23, "tokens"),
        ('level = "L2"', 'level = "L3"', 3, "level"),
    ],
)
def test_a_bad_file_names_the_place_and_the_loop_goes_on(shell: Shell, old: str, new: str, line: int, key: str) -> None:
    before = shell.ok("loop", "add", str(shell.file))["digest"]
    good = shell.file.read_text()
    shell.file.write_text(good.replace(old, new))
    done = shell("loop", "add", str(shell.file))
    one_sentence(done, 2, f"tidy.toml:{line}:", key)
    (row,) = shell.ok("loop", "list")
    assert (row["digest"], row["state"]) == (before, "active")


def test_a_changed_file_says_so_and_the_pinned_one_goes_on(shell: Shell) -> None:
    before = shell.ok("loop", "add", str(shell.file))["digest"]
    shell.file.write_text(shell.file.read_text().replace("Tidy up.", "Tidy everything."))
    run(shell.home, "engine", "stop")
    run(shell.home, "engine", "start")
    until(lambda: shell.ok("loop", "list")[0]["source_state"] == "changed")
    assert "changed: add it again" in run(shell.home, "loop", "list").out
    assert shell.ok("loop", "list")[0]["digest"] == before
    shell.ok("loop", "add", str(shell.file))
    assert shell.ok("loop", "list")[0]["source_state"] == "same"


def test_changes_are_decided_by_shell(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shell.ok("loop", "add", str(shell.file))
    shell.ok("loop", "run", "tidy")
    first = shell.asked(1)
    shown = shell.ok("approvals", "show", first["id"])
    assert "+one" in shown["diff"]
    assert (shown["risk"], shown["state"]) == ("med", "requested")
    one_sentence(shell("approvals", "approve", first["id"], "--digest", "0" * 12), 4, "now shows digest")
    shell.ok("approvals", "deny", first["id"], "--digest", first["digest"], "--reason", "no notes")
    one_sentence(shell("approvals", "approve", first["id"], "--digest", first["digest"]), 4, "already decided by")

    shell.ok("loop", "run", "tidy")
    second = shell.asked(2)
    assert "no notes" in shell.maker.seen[2].raw.decode()
    shell.ok("approvals", "pushback", second["id"], "--digest", second["digest"], "--reason", "say three")
    third = shell.asked(3)
    assert shell.ended(3)["about"] == "l1/2"

    swap = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.write_text(p.read_text().replace('+three', '+3'))"
    script = tmp_path / "editor.py"
    script.write_text(swap)
    monkeypatch.setenv("VISUAL", shlex.join((sys.executable, str(script))))
    edited = shell.ok("approvals", "edit", third["id"], "--digest", third["digest"], "--editor")
    assert set(edited) == {"id", "text", "digest", "exit"}
    assert edited["digest"] != third["digest"]
    one_sentence(shell("approvals", "approve", third["id"], "--digest", third["digest"]), 4, "now shows digest")
    shell.ok("approvals", "approve", third["id"], "--digest", edited["digest"])
    until(lambda: (shell.repo / "NOTES.md").exists())
    assert (shell.repo / "NOTES.md").read_text() == "3\n"
    until(lambda: shell.ok("loop", "show", "tidy", "--round", "3")["receipt"])
    assert git(shell.repo, "branch", "--list", "loops/*") == ""
    score = shell.ok("loop", "show", "tidy")["score"]
    assert (score["denied"], score["pushed_back"], score["edited"], score["approved"]) == (1, 1, 1, 0)
    assert run(shell.home, "doctor").code == 0, "the journal is whole"


def test_a_moved_base_is_a_refusal(shell: Shell) -> None:
    shell.ok("loop", "add", str(shell.file))
    shell.ok("loop", "run", "tidy")
    asked = shell.asked(1)
    git(shell.repo, "commit", "-q", "--allow-empty", "-m", "Meanwhile")
    told = one_sentence(
        shell("approvals", "approve", asked["id"], "--digest", asked["digest"]), 4, "main moved on by 1 commit"
    )
    assert "approvals pushback" in told


def test_a_round_is_cancelled_by_its_id(shell: Shell) -> None:
    shell.ok("loop", "add", str(shell.file))
    shell.ok("loop", "run", "tidy")
    asked = shell.asked(1)
    shell.ended(1)
    one_sentence(shell("runs", "cancel", "l1/1"), 2, "only waits")
    shell.ok("approvals", "deny", asked["id"], "--digest", asked["digest"])
    one_sentence(shell("runs", "cancel", "l1/9"), 2, "l1/9")


def test_a_round_that_runs_is_cancelled_and_leaves_nothing(home: Paths, tmp_path: Path) -> None:
    with model_server([asyncio.Event()]) as maker, model_server(CLEAN) as checker:
        shell = Shell(home, tmp_path, maker, checker)
        try:
            shell.ok("loop", "add", str(shell.file))
            assert shell.ok("loop", "run", "tidy")["text"] == "l1/1 of tidy started."
            until(lambda: maker.seen)
            one_sentence(shell("loop", "run", "tidy"), 2, "l1/1 of tidy still runs")
            shell.ok("runs", "cancel", "l1/1", "--reason", "too long")
            ended = shell.ended(1)
            assert (ended["outcome"], "cancelled" in ended["reason"]) == ("failed", True)
            until(lambda: len(git(shell.repo, "worktree", "list").splitlines()) == 1)
            one_sentence(shell("runs", "cancel", "l1/1"), 2, "over")
        finally:
            run(home, "engine", "stop", "--now")
