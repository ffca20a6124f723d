"""What a write would do is what the operator is shown, and only that is done: F14, approvals' facts, conflicts."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from harness_tui.domain.messages import ToolCall
from harness_tui.domain.policy import Weighed, judge
from harness_tui.domain.rules import Rule, Where
from harness_tui.domain.seams import ToolOutcome
from harness_tui.domain.task import Level
from harness_tui.tools.files.box import FileBox
from harness_tui.tools.files.card import MAX_DIFF

from .plain_sandbox import Plain


class Session:
    """An open box: each call is weighed, then performed, as a run does it."""

    def __init__(self, root: Path, level: Level = "L2") -> None:
        self.root, self.level = root, level
        self.box = FileBox(Plain(root, root / ".state"))

    async def weigh(self, tool: str, **arguments: Any) -> Weighed:
        await self.box.open()
        return await self.box.weigh(ToolCall("call", tool, arguments), self.level)

    async def do(self, tool: str, **arguments: Any) -> ToolOutcome:
        weighed = await self.weigh(tool, **arguments)
        assert not weighed.refusal
        return await self.box.perform(ToolCall("call", tool, arguments))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


def facts(weighed: Weighed) -> dict[str, str]:
    return {fact.label: fact.value for fact in weighed.proposal.facts}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def test_the_card_of_a_new_file_is_all_of_it(session: Session) -> None:
    weighed = await session.weigh("write_file", path="./a//b.txt", content="one\ntwo")
    assert facts(weighed) == {
        "tool": "write_file",
        "path": "a/b.txt",
        "was": "absent",
        "becomes": sha("one\ntwo"),
        "bytes": "7, was 0",
        "diff": "--- /dev/null\n+++ a/b.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n\\ No newline at end of file\n",
    }
    assert (weighed.proposal.risk_class, weighed.proposal.risk) == ("destructive", "med")
    assert weighed.proposal.summary == "write_file a/b.txt (+2 -0)"
    assert (weighed.subject.paths, weighed.sandboxed, weighed.free) == (("a/b.txt",), True, False)
    assert not (session.root / "a").exists()


async def test_what_was_shown_is_written(session: Session) -> None:
    outcome = await session.do("write_file", path="a/b.txt", content="one\n")
    assert outcome == ToolOutcome(True, "New file a/b.txt: +1 -0 lines, now 4 bytes.")
    outcome = await session.do("edit_file", path="a/b.txt", old_string="one", new_string="two\nthree")
    assert outcome == ToolOutcome(True, "Changed a/b.txt: 1 replacement, +2 -1 lines, now 10 bytes.")
    assert (session.root / "a/b.txt").read_text() == "two\nthree\n"
    again = await session.do("write_file", path="a/b.txt", content="two\nthree\n")
    assert again == ToolOutcome(True, "a/b.txt already holds exactly this; nothing was written.")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("absent", "x", "is not in x"),
        ("two", "x", "occurs 2 times in x"),
        ("", "x", "is empty"),
        ("one", "one", "nothing would change"),
        ("  one\n two", "x", "its first line is in line 1"),
        ("on\ud800", "x", "surrogate"),
    ],
)
async def test_an_edit_that_does_not_fit_says_why_and_asks_nobody(
    session: Session, old: str, new: str, said: str
) -> None:
    (session.root / "x").write_text("one\ntwo\ntwo\n")
    weighed = await session.weigh("edit_file", path="x", old_string=old, new_string=new)
    assert judge(weighed, "L2", (), Where()).verdict == "allow"
    assert judge(weighed, "L1", (), Where()).verdict == "refuse"
    outcome = await session.do("edit_file", path="x", old_string=old, new_string=new)
    assert not outcome.ok
    assert said in outcome.text
    assert (session.root / "x").read_text() == "one\ntwo\ntwo\n"


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (b"a\r\nb\r\nc\r\n", "a\nb", "a\nx\nb", b"a\r\nx\r\nb\r\nc\r\n"),
        (b"a\r\nb\r\n", "b", "b\nc", b"a\r\nb\r\nc\r\n"),
        (b"a\nb\r\n", "a\nb", "x\ny", b"x\ny\r\n"),
        ("\ufeffa\nb\n".encode(), "a", "x", "\ufeffx\nb\n".encode()),
        ("grün a\n".encode("latin-1"), " a", " b", "grün b\n".encode("latin-1")),
        ("naïve é\n".encode(), "é", "€", "naïve €\n".encode()),
        (b"a\x0bb\x0c\xe2\x80\xa8c\n", "b", "x", b"a\x0bx\x0c\xe2\x80\xa8c\n"),
    ],
)
async def test_all_bytes_but_the_edited_ones_stay(
    session: Session, before: bytes, old: str, new: str, after: bytes
) -> None:
    (session.root / "x").write_bytes(before)
    assert (await session.do("edit_file", path="x", old_string=old, new_string=new)).ok
    assert (session.root / "x").read_bytes() == after


async def test_every_occurrence_is_replaced_when_asked(session: Session) -> None:
    (session.root / "x").write_text("aaa")
    assert "occurs 2 times" in (await session.do("edit_file", path="x", old_string="aa", new_string="b")).text
    outcome = await session.do("edit_file", path="x", old_string="a", new_string="b", replace_all=True)
    assert outcome.text.startswith("Changed x: 3 replacements, ")
    assert (session.root / "x").read_text() == "bbb"


async def test_a_change_after_the_judgement_stops_the_write(session: Session) -> None:
    (session.root / "x").write_text("one\n")
    for tool, more in (("write_file", {"content": "new"}), ("edit_file", {"old_string": "n", "new_string": "m"})):
        arguments = {"path": "x", **more}
        await session.weigh(tool, **arguments)
        (session.root / "x").write_text(f"somebody else's n {tool}")
        outcome = await session.box.perform(ToolCall("call", tool, arguments))
        assert not outcome.ok
        assert "was changed since the call was judged" in outcome.text
        assert (session.root / "x").read_text() == f"somebody else's n {tool}"


async def test_a_change_since_the_model_read_it_is_a_conflict(session: Session) -> None:
    (session.root / "x").write_text("one\n")
    await session.do("read_file", path="x")
    (session.root / "x").write_text("one two\n")
    for more in ({"content": "new"}, {"old_string": "one", "new_string": "1"}):
        outcome = await session.do("write_file" if "content" in more else "edit_file", path="x", **more)
        assert not outcome.ok
        assert "read it again" in outcome.text
    await session.do("read_file", path="x")
    assert (await session.do("write_file", path="x", content="new")).ok
    assert (await session.do("edit_file", path="x", old_string="new", new_string="newer")).ok


async def test_nobody_overwrites_unread_what_no_operator_sees(session: Session) -> None:
    (session.root / "x").write_text("one\n")
    session.level = "L3"
    outcome = await session.do("write_file", path="x", content="new")
    assert (outcome.ok, "read it before" in outcome.text) == (False, True)
    assert (await session.do("edit_file", path="x", old_string="one", new_string="two")).ok
    assert (await session.do("write_file", path="x", content="new")).ok
    session.level = "L2"
    (session.root / "y").write_text("one\n")
    assert judge(await session.weigh("write_file", path="y", content=""), "L2", (), Where()).verdict == "ask"


@pytest.mark.parametrize(
    "path", [".git/config", ".GIT/hooks/x", ".bashrc", "../x", "/etc/x", "~/x", ".state/journal.db"]
)
@pytest.mark.parametrize("level", ["L1", "L2", "L3"])
async def test_nothing_is_written_outside_or_where_it_would_be_obeyed(
    session: Session, path: str, level: Level
) -> None:
    session.level = level
    weighed = await session.weigh("write_file", path=path, content="x")
    everything = (Rule("allow", "*", id="r1"),)
    judged = judge(weighed, level, everything, Where())
    assert (judged.verdict, judged.why, judged.rule) == ("refuse", "policy", "jail")
    assert not (await session.box.perform(ToolCall("call", "write_file", {"path": path, "content": "x"}))).ok


async def test_links_and_hard_links_are_refused_when_judged(session: Session) -> None:
    (session.root / "x").write_text("one\n")
    (session.root / "link").symlink_to("x")
    os.link(session.root / "x", session.root / "hard")
    for path in ("link", "hard"):
        assert (await session.weigh("write_file", path=path, content="x")).why == "jail"


async def test_rules_hold_for_a_file_under_every_name(session: Session) -> None:
    (session.root / "keys").mkdir()
    (session.root / "keys/a").write_text("one\n")
    (session.root / "door").symlink_to("keys")
    deny = (Rule("deny", "*_file", path="keys/**", id="r1"),)
    allow = (Rule("allow", "*_file", path="door/**", id="r2"),)
    for tool, more in (("read_file", {}), ("write_file", {"content": "x"})):
        weighed = await session.weigh(tool, path="door/a", **more)
        assert weighed.subject.paths == ("door/a", "keys/a")
        assert judge(weighed, "L3", deny, Where()).verdict == "refuse"
    assert facts(weighed)["really"] == "keys/a"
    assert judge(weighed, "L2", allow, Where()).verdict == "ask"


async def test_a_check_without_a_session_judges_by_name_and_path(tmp_path: Path) -> None:
    box = FileBox(Plain(tmp_path / "no such workspace"))
    for tool, more in (("write_file", {"content": "x"}), ("edit_file", {"old_string": "a", "new_string": "b"})):
        call = ToolCall("c", tool, {"path": "src/app.py", **more})
        assert [judge(await box.weigh(call, level), level, (), Where()).verdict for level in ("L1", "L2", "L3")] == [
            "refuse",
            "ask",
            "refuse",
        ]
    reads = {"read_file": {"path": "a"}, "list_dir": {}, "glob": {"pattern": "**"}, "grep": {"pattern": "a"}}
    for tool, arguments in reads.items():
        assert judge(await box.weigh(ToolCall("c", tool, arguments), "L1"), "L1", (), Where()).verdict == "allow"


async def test_a_change_too_long_to_be_read_is_not_asked_for(session: Session) -> None:
    content = "x" * (MAX_DIFF + 1)
    weighed = await session.weigh("write_file", path="x", content=content)
    assert "Make it in several calls" in weighed.refusal
    session.level = "L3"
    weighed = await session.weigh("write_file", path="x", content=content)
    assert (weighed.refusal, weighed.proposal.risk) == ("", "high")
    assert len(facts(weighed)["diff"]) < 100


async def test_overwriting_what_a_diff_cannot_bring_back_is_high_risk(session: Session) -> None:
    for data in (b"\0\1", b"gr\xfcn\n"):
        (session.root / "x").write_bytes(data)
        assert (await session.weigh("write_file", path="x", content="text")).proposal.risk == "high"
    with (session.root / "big").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    assert (await session.weigh("write_file", path="big", content="text")).why == "size"
