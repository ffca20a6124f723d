"""Pane 4 in the app: a change's diff over the port, the operator's editor, and a batch sent one by one."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
from msgspec.structs import replace

from harness_tui.console import editor
from harness_tui.domain import events as ev
from harness_tui.domain.errors import ApprovalError, UsageError
from harness_tui.domain.events import Fact
from harness_tui.domain.views import ApprovalRow
from harness_tui.port.commands import Decide, EditApproval

from ..console_logic.changes import DIFF, change, sha
from .fake_port import NOW, FakeEngine, med_approval


def waiting(*rows: ApprovalRow) -> FakeEngine:
    engine = FakeEngine()
    engine.rows["approvals"] = rows
    engine.blobs[sha(DIFF)] = DIFF.encode()
    return engine


def a_change() -> ApprovalRow:
    return ApprovalRow(
        id="A-28", run="l3/214", stream="l3/214", tool="loop:commit", kind="change", risk="med", digest="c3" * 32,
        summary="commit: CHANGELOG.md", facts=[Fact("loop", "changelog-drafter")], requested=NOW, change=change(),
    )  # fmt: skip


def a_call(ident: str = "A-30", digest: str = "ab" * 32) -> ApprovalRow:
    row = med_approval(ident)
    return replace(row, digest=digest, arguments={"command": "npm ci"})


async def armed(it) -> None:
    for _ in range(3):
        await it.answer()
        await it.after(0.6)
    await it.answer()


async def until(it, what) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.01)
            await it.settle()


def script(tmp_path, body: str) -> str:
    """An editor that is a program: `body` sees the text as `text` and its path as `path`."""
    path = tmp_path / "editor.py"
    path.write_text(f"import pathlib, sys\npath = pathlib.Path(sys.argv[1])\ntext = path.read_text()\n{body}\n")
    return f"{sys.executable} {path}"


async def test_a_diff_is_fetched_once_read_and_approved(console):
    async with console(waiting(a_change()), size=(80, 24)) as it:
        fetched = []
        blob = it.engine.ports[0].blob
        it.engine.ports[0].blob = lambda name: (fetched.append(name), blob(name))[1]
        await it.press("4")
        await until(it, lambda: "CHANGELOG.md b/CHANGELOG.md" in it.text)
        await armed(it)
        while it.app.model.unseen():
            await it.press("a")
            assert it.engine.sent == []
            await it.press("space")
            await armed(it)
        await it.press("a")
        assert [type(c) for c in it.engine.sent] == [Decide]
        assert fetched == [sha(DIFF)]


async def test_push_back_sends_the_words(console):
    async with console(waiting(a_change())) as it:
        await it.press("4")
        await until(it, lambda: "on its way" not in it.text)
        await armed(it)
        await it.press("b")
        await it.press(*"name it", "enter")
        (sent,) = it.engine.sent
        assert (sent.decision, sent.reason) == ("pushed_back", "name it")


async def test_the_editors_text_is_sent_and_nothing_else_meanwhile(console, tmp_path, monkeypatch):
    monkeypatch.setenv("VISUAL", script(tmp_path, "path.write_text(text.replace('npm ci', 'npm ci --offline'))"))
    async with console(waiting(a_call())) as it:
        await it.press("4")
        await armed(it)
        await it.press("e")
        await until(it, lambda: it.engine.sent)
        assert it.engine.sent == [EditApproval("A-30", "ab" * 32, "1000@pts/1", {"command": "npm ci --offline"})]
        facts = (Fact("tool", "npm ci --offline"),)
        it.engine.say(
            "r17/1", ev.ApprovalEdited("A-30", "1000@pts/1", "npm ci --offline", facts, "ed" * 32, "", "med",
                                       {"command": "npm ci --offline"}))  # fmt: skip
        await it.settle()
        await it.press("a")
        assert len(it.engine.sent) == 1, "armed anew, under the new digest"
        await until(it, lambda: "not on record" in it.text)
        await armed(it)
        await it.press("a")
        assert it.engine.sent[-1].digest == "ed" * 32


async def test_a_refused_edit_keeps_its_text(console, tmp_path, monkeypatch):
    monkeypatch.setenv("VISUAL", script(tmp_path, "path.write_text(text.replace('npm ci', 'rm -rf /'))"))
    engine = waiting(a_call())
    engine.answer = ApprovalError("Policy refuses rm -rf /.")
    async with console(engine, size=(160, 24)) as it:
        await it.press("4")
        await armed(it)
        await it.press("e")
        await until(it, lambda: "Policy refuses" in it.text)
        assert "Your text is kept" in it.text
        given = tmp_path / "given"
        monkeypatch.setenv("VISUAL", script(tmp_path, f"pathlib.Path({str(given)!r}).write_text(text)"))
        await armed(it)
        await it.press("e")
        await until(it, given.exists)
        assert "rm -rf /" in given.read_text()


@pytest.mark.parametrize(
    ("body", "said"), [("sys.exit(3)", "ended with 3"), ("path.unlink()", "gone"), (None, "cannot be started")]
)
async def test_an_editor_that_fails_sends_nothing(console, tmp_path, monkeypatch, body, said):
    monkeypatch.setenv("VISUAL", script(tmp_path, body) if body else "/nowhere/ed")
    async with console(waiting(a_call()), size=(160, 24)) as it:
        await it.press("4")
        await armed(it)
        await it.press("e")
        await until(it, lambda: said in it.text)
        assert it.engine.sent == []
        await armed(it)
        await it.press("d")
        assert len(it.engine.sent) == 1, "the keys are back"


async def test_leaving_ends_an_open_editor(console, tmp_path, monkeypatch):
    pid = tmp_path / "pid"
    body = f"import os, time\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
    monkeypatch.setenv("VISUAL", script(tmp_path, body))
    async with console(waiting(a_call())) as it:
        await it.press("4")
        await armed(it)
        await it.press("e")
        await until(it, lambda: pid.exists() and pid.read_text())
        it.app.leave(143)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert it.engine.sent == []


async def test_a_batch_is_sent_one_by_one_and_a_refusal_stops_no_other(console):
    rows = [a_call(f"A-3{n}", f"{n}{n}" * 32) for n in range(3)]
    async with console(waiting(*rows), size=(100, 50)) as it:
        port = it.engine.ports[0]
        send = port.send

        async def refusing(command):
            if command.approval == "A-30":
                it.engine.sent.append(command)
                raise ApprovalError("A-30 was denied by 7@pts/9 at 14:00.")
            return await send(command)

        port.send = refusing
        await it.press("4", "4")
        for key in "mjmjmM":
            await it.press(key)
        await armed(it)
        await it.press("a")
        await until(it, lambda: len(it.engine.sent) == 3)
        await it.settle()
        assert [(c.approval, c.digest) for c in it.engine.sent] == [(row.id, row.digest) for row in rows]
        assert "2 of 3 approved; 1 refused" in it.text
        assert "refused: A-30 was denied by 7@pts/9" in it.text


def test_the_editor_is_the_operators():
    assert editor.command({"VISUAL": "code --wait", "EDITOR": "ed"}) == ["code", "--wait"]
    assert editor.command({}) == ["vi"]
    with pytest.raises(UsageError):
        editor.command({"EDITOR": "'open"})
