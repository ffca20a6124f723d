"""`run --record FILE` and `replay FILE` through the program: the same result without engine, home, model or socket."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import harness_tui
from harness_tui.agent.replaying import VOLATILE
from harness_tui.config.paths import Paths
from harness_tui.demo.stand_in import PACE
from tests.demo.demo_site import ACCOUNT, SiteProcess
from tests.models.endpoint_server import chunk, serving, sse, usage

from .program import PATIENCE, Done, Running, run

KEY = "sk-canary/a+b~0987654321"
PLACE = {"pos", "seq", "at"} | VOLATILE

SEALED = """
import os, socket, sys
def refuse(*_): raise AssertionError("a socket was opened")
socket.socket.connect = socket.socket.connect_ex = socket.socket.bind = refuse
from harness_tui.__main__ import main
main()
"""


def replayed(*words: str) -> Done:
    """`replay` in a process that can open no socket and has no home to write to."""
    env = {**os.environ, "HARNESS_TUI_HOME": "/nonexistent"}
    argv = [sys.executable, "-c", SEALED, "replay", *words]
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    return Done(done.returncode, done.stdout, done.stderr)


def contents(lines: str) -> dict[str, list[Any]]:
    """The events of each stream, without their places and times."""
    found: dict[str, list[Any]] = {}
    for line in lines.splitlines():
        event = json.loads(line)
        found.setdefault(event["run"], []).append({key: value for key, value in event.items() if key not in PLACE})
    return found


def forms(secret: str) -> list[str]:
    raw = secret.encode()
    texts = [secret, quote(secret, safe=""), base64.b64encode(raw).decode(), raw.hex(), html.escape(secret)]
    return [form for text in [*texts, json.dumps(secret)[1:-1]] for form in (text, json.dumps(text)[1:-1])]


async def test_a_recorded_run_is_replayed_when_its_model_is_gone(
    home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    file = tmp_path / "run.jsonl"
    talk = sse(chunk(content="Your key is "), chunk("stop", content=KEY), usage(9, 2), "[DONE]")
    async with serving(talk) as server:
        words = ("run", "What is my key?", "--url", server.url, "--model", "tiny", "--record", str(file))
        first = await asyncio.to_thread(run, home, *words, "--output-format", "json")
    assert (first.code, first.json["answer"]) == (0, "Your key is [secret]")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = file.read_text()
    assert [form for form in forms(KEY) if form in kept] == []
    again = replayed(str(file), "--output-format", "json")
    assert again.json == {**first.json, "replayed": True}
    assert again.code == 0
    text = replayed(str(file))
    assert (text.code, text.out) == (0, "Your key is [secret]\n")
    assert text.err.endswith("r1 succeeded: not checked: nothing verified the claim\n")
    events = replayed(str(file), "--output-format", "stream-json")
    journal = run(home, "runs", "show", "r1", "--output-format", "stream-json")
    assert contents(events.out) == contents(journal.out)


@pytest.mark.timeout(3 * PATIENCE)
def test_a_recorded_browser_run_needs_no_browser_and_no_site_any_more(
    home: Paths, tmp_path: Path, light_browser: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "run.jsonl"
    with SiteProcess(tmp_path) as site:
        task = (Path(harness_tui.__file__).parent / "demo" / "upvote.toml").read_text()
        (tmp_path / "task.toml").write_text(task.replace("8765", str(site.port)))
        words = ("run", "--task", str(tmp_path / "task.toml"), "--api", "stand-in", "--record", str(file))
        running = Running.start(home, *words, "--output-format", "json")
        ident, digest = running.asked()
        approved = run(home, "approvals", "approve", ident, "--digest", digest)
        assert approved.code == 0, approved.err
        first = running.end()
    assert first.json["verified"] is True, first.err
    kept = file.read_text()
    assert [form for form in forms(ACCOUNT["HARNESS_TUI_DEMO_PASSWORD"]) if form in kept] == []
    monkeypatch.setenv("PATH", "/nonexistent")
    again = replayed(str(file), "--output-format", "json")
    assert again.json == {**first.json, "replayed": True}, again.err


def test_a_recording_goes_on_after_its_engine_was_killed(
    home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.jsonl"
    monkeypatch.setenv(PACE, "60")
    running = Running.start(home, "run", "Say hi", "--api", "stand-in", "--record", str(file))
    running.told("asks the model")
    running.send(signal.SIGKILL)
    running.end()
    cut = replayed(str(file), "--output-format", "json")
    assert (cut.code, cut.json["error"]) == (1, "The recording ends before the run did.")
    with file.open("a") as end:
        end.write('{"record":"comm')
    monkeypatch.setenv(PACE, "0")
    try:
        assert run(home, "engine", "start").code == 0
        assert run(home, "runs", "tail", "r1").code == 0
    finally:
        run(home, "engine", "stop")
    again = replayed(str(file), "--output-format", "json")
    assert (again.code, again.json["state"], again.json["attempts"]) == (0, "succeeded", 1), again.json
    events = replayed(str(file), "--output-format", "stream-json")
    journal = run(home, "runs", "show", "r1", "--output-format", "stream-json")
    assert contents(events.out) == contents(journal.out)


def test_what_comes_out_another_way_is_shown_and_ends_with_1(home: Paths, tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    first = run(home, "run", "Say hi", "--api", "stand-in", "--record", str(file))
    assert first.code == 0, first.err
    whole = file.read_text()
    lines = whole.splitlines(keepends=True)
    said = next(n for n, line in enumerate(lines) if '"record":"said"' in line)
    file.write_text("".join([*lines[:said], lines[said].replace("I cannot", "I can"), *lines[said + 1 :]]))
    changed = replayed(str(file), "--output-format", "json")
    assert (changed.code, changed.json["exit"], changed.json["replayed"]) == (1, 1, True)
    assert "r1/1 goes another way than it was recorded:" in changed.json["error"]
    assert "I cannot" in changed.json["error"] and '"I can ' in changed.json["error"]
    file.write_text("".join(lines[:said]))
    cut = replayed(str(file), "--output-format", "json")
    assert (cut.code, cut.json["error"], cut.json["state"]) == (1, "The recording ends before the run did.", "running")
    file.write_text(lines[0])
    assert replayed(str(file), "--output-format", "json").json == {
        "error": "The recording ends before the run did.",
        "exit": 1,
        "replayed": True,
    }


@pytest.mark.parametrize(
    ("made", "code", "said"),
    [
        (None, 2, "There is no recording"),
        ("a letter\n", 2, "is not a recording of harness-tui."),
        ('{"cassette":1,"kind":"http"}\n', 2, "is a recording of another kind."),
        ('{"cassette":2,"kind":"run"}\n', 78, "was recorded by a newer harness-tui (cassette 2, this one reads 1)."),
    ],
)
def test_a_file_that_cannot_be_played_is_one_sentence(made: str | None, code: int, said: str, tmp_path: Path) -> None:
    if made is not None:
        (tmp_path / "c").write_text(made)
    done = replayed(str(tmp_path / "c"), "--output-format", "json")
    assert done.code == code
    assert said in done.err and len(done.err.splitlines()) == 1
    assert said in done.json["error"]


def test_a_recording_is_refused_before_the_run_starts_where_it_cannot_be(home: Paths, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    taken = run(home, "run", "x", "--api", "stand-in", "--record", str(tmp_path / "letter"))
    assert (taken.code, (tmp_path / "letter").read_text()) == (2, "dear")
    assert "never overwrites" in taken.err
    nowhere = run(home, "run", "x", "--api", "stand-in", "--record", str(tmp_path / "none" / "c"))
    assert nowhere.code == 2 and "is no folder one can record into" in nowhere.err
    assert run(home, "runs", "list", "--output-format", "json").json == []
