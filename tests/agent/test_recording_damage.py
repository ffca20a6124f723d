"""A recording that is not whole, was changed, or could not be written; and what must never be in one."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness_tui.agent.tape import Commit, RunHeader, RunRecord
from harness_tui.domain import events as ev
from harness_tui.domain.messages import Answer, Text, ToolCall, Usage
from harness_tui.domain.seams import Interlude
from harness_tui.journal.journal import Journal
from harness_tui.models.cassette.form import load

from .taped import Taped, journal, played, plays_the_same, streams
from .worlds import call, say

__all__ = ["journal"]


async def _short(journal: Journal, path: Path) -> Taped:
    b = Taped(journal, path, call("look", n=1), say("done"))
    _, task = await b.start()
    await task
    return b


def _edited(path: Path, edit: Callable[[str], str]) -> None:
    path.write_text("".join(edit(line) for line in path.read_text().splitlines(keepends=True)))


async def test_a_recording_without_one_of_its_lines_is_told_apart(journal: Journal, tmp_path: Path) -> None:
    await _short(journal, tmp_path / "c")
    lines = (tmp_path / "c").read_bytes().splitlines(keepends=True)
    for at in range(1, len(lines) - 1):
        (tmp_path / "less").write_bytes(b"".join(lines[:at] + lines[at + 1 :]))
        result, _ = await played(tmp_path / "less")
        assert result.difference, lines[at]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"ok":true,"text":"look done"', '"ok":false,"text":"look done"', "goes another way than it was recorded"),
        ('"done"', '"did"', "goes another way"),
        ('"n":1', '"n":2', "asked something else than was recorded"),
        ('"act":"after_batch"', '"act":"goal"', "- goal\n+ after_batch"),
    ],
)
async def test_a_recording_that_was_changed_is_told_apart(
    journal: Journal, tmp_path: Path, old: str, new: str, says: str
) -> None:
    await _short(journal, tmp_path / "c")
    kinds = {'"n":1': '"act":"judge"', '"done"': '"record":"said"', '"ok"': '"record":"act"'}
    only = next((kind for start, kind in kinds.items() if old.startswith(start)), old)
    changed = [0]

    def edit(line: str) -> str:
        if only in line and old in line:
            changed[0] += 1
            return line.replace(old, new)
        return line

    _edited(tmp_path / "c", edit)
    assert changed[0]
    result, _ = await played(tmp_path / "c")
    assert says in result.difference


async def test_every_beginning_of_a_recording_plays_as_far_as_it_goes(journal: Journal, tmp_path: Path) -> None:
    b = await _short(journal, tmp_path / "c")
    whole = streams(await b.events())
    lines = (tmp_path / "c").read_bytes().splitlines(keepends=True)
    for count in range(1, len(lines)):
        (tmp_path / "cut").write_bytes(b"".join(lines[:count]) + lines[count][:9])
        result, made = await played(tmp_path / "cut")
        assert result.difference == ""
        assert not result.whole
        for run, events in streams(made).items():
            assert whole[run][: len(events)] == events


async def test_a_recording_never_overwrites_and_never_costs_the_run(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "c").write_text("a letter")
    b = Taped(journal, tmp_path / "c", say("42"))
    _, task = await b.start()
    await task
    assert (b.row.answer, (tmp_path / "c").read_text()) == ("42", "a letter")
    (note,) = [f.text for f in b.flow if f.key == "recording"]
    assert "is not a recording" in note


async def test_a_full_disk_ends_the_recording_with_a_note(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = Taped(journal, tmp_path / "c", call("look"), say("42"))
    real = os.write

    def write(fd: int, data: bytes) -> int:
        if b'"perform"' in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    _, task = await b.start()
    await task
    assert b.row.answer == "42"
    (note,) = [f.text for f in b.flow if f.key == "recording"]
    assert note.endswith("ends here: No space left on device.")
    result, _ = await played(tmp_path / "c")
    assert (result.difference, result.whole) == ("", False)


async def test_secrets_stay_out_and_a_call_that_held_one_is_refused_again(journal: Journal, tmp_path: Path) -> None:
    secret = 'pass-word/"1"+x'
    leak = Answer((Text(f"I type {secret}"), ToolCall("x", "poke", {"text": secret})), Usage(9, 9), "tool_calls")
    b = Taped(journal, tmp_path / "c", leak, say("done"))
    b.redaction.add([secret])
    b.shared["interlude"] = Interlude((ev.LoginHandled(True, "http://x", secret),), f"Signed in with {secret}.")
    _, task = await b.start()
    await task
    assert "secret value" in b.model.requests[1].messages[-2].parts[0].text  # type: ignore[union-attr]
    kept = (tmp_path / "c").read_text()
    assert "pass-word" not in kept
    assert "[secret]" in kept
    await plays_the_same(b)


async def test_commits_come_after_what_caused_them(journal: Journal, tmp_path: Path) -> None:
    await _short(journal, tmp_path / "c")
    _, records = load(tmp_path / "c", RunHeader, RunRecord)
    assert isinstance(records[-1], Commit)
    finished = [k.event() for w in records[-1].writes for k in w.events]
    assert isinstance(finished[-1], ev.RunFinished)
