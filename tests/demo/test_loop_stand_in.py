"""The stand-in as maker and checker: it does what it is told of the loop, only with what it has, and never breaks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.demo.loop_stand_in import SIGNED, move
from harness_tui.demo.stand_in import decide
from harness_tui.domain import events as ev
from harness_tui.domain.loop import verdict as vd
from harness_tui.domain.loop.recall import recall
from harness_tui.domain.loop.round import NOTHING, RoundState
from harness_tui.domain.loop.rows import RoundRow
from harness_tui.domain.loop.spec import Action, LoopSpec
from harness_tui.domain.messages import Message, ToolCall, ToolResult, ToolSpec
from harness_tui.domain.task import ModelSpec, TaskFile
from harness_tui.loops import prompts

READ = ("read_file", "list_dir", "grep", "shell_read")
WRITE = (*READ, "write_file", "edit_file")
Answers = Callable[[str, dict[str, Any]], str | tuple[bool, str]]

LOG = "exit 0\n2222222\tFix the second\n1111111\tAdd a first"
OLD = "CHANGELOG.md lines 1-3 of 3\n# Changelog\n\n## 0.1"
HEAD = "Changelog: 2 entries, aaaaaaa..2222222"


def state(prompt: str, *, name: str = "notes", level: str = "L2", **more: str) -> RoundState:
    spec = LoopSpec(
        name=name,
        intent="Tell users.",
        maker=TaskFile(prompt=prompt),
        models={"maker": ModelSpec("stand-in", "stand-in")},
        workspace="/w",
        checker=TaskFile(prompt=prompt),
        action=Action(kind="draft", do="commit"),
    )
    s = RoundState("l1/2", spec)
    s.started = ev.RoundStarted(2, "manual", level, "0" * 64, **more)  # type: ignore[arg-type]
    return s


def play(prompt: str, tools: Sequence[str], answer: Answers) -> tuple[list[ToolCall], str]:
    """Let it act on a prompt; its calls, and its last word."""
    offered = tuple(ToolSpec(name, "", {"type": "object"}) for name in tools)
    messages, calls = [Message.say("system", "Rules."), Message.say("user", prompt)], []
    for _ in range(20):
        messages.append(Message("assistant", decide(messages, offered)))
        if not messages[-1].calls:
            return calls, messages[-1].text
        (call,) = messages[-1].calls
        assert call.name in tools
        calls.append(call)
        said = answer(call.name, call.arguments)
        ok, text = said if isinstance(said, tuple) else (True, said)
        messages.append(Message("tool", (ToolResult(call.id, call.name, text, ok),)))
    raise AssertionError("it does not end")


def repository(name: str, given: dict[str, Any]) -> str | tuple[bool, str]:
    match name, given:
        case "shell_read", {"args": ["ls-files", *_]}:
            return "exit 0\nCHANGELOG.md"
        case "shell_read", {"args": ["log", "-1", *_]}:
            return "exit 0\naaaaaaa0000"
        case "shell_read", {"args": ["log", *rest]}:
            assert rest[-1] in ("aaaaaaa0000..HEAD", "HEAD", "--max-count=10")
            return LOG
        case "shell_read", {"args": ["branch", *_]}:
            return "exit 0\n* main 2222222 Fix\n  old 1111111 Add\n  loops/notes-1 1111111 x\n+ other 1111111 x"
        case "read_file", {"path": "CHANGELOG.md"}:
            return OLD
        case "read_file", {"path": "a.txt"}:
            return "a.txt lines 1-3 of 3\none  \ntwo\nthree"
        case "grep", {"pattern": pattern}:
            return "src/a.py:7:  # TODO: later" if "TODO" in pattern else "b.md:1:break  \na.txt:1:one  "
        case "edit_file" | "write_file" | "verdict", _:
            return "Changed."
    raise AssertionError((name, given))


CHANGELOG = "Draft the changelog entries."


def test_a_changelog_is_written_from_the_log() -> None:
    calls, said = play(prompts.maker(state(CHANGELOG)), WRITE, repository)
    assert [call.name for call in calls] == ["shell_read", "shell_read", "shell_read", "read_file", "edit_file"]
    edit = calls[-1].arguments
    assert edit["old_string"] == "# Changelog\n\n## 0.1"
    assert edit["new_string"].splitlines()[2:9] == [
        "## Unreleased",
        "",
        "### Added",
        "- Add a first (1111111)",
        "",
        "### Fixed",
        "- Fix the second (2222222)",
    ]
    assert said.startswith(HEAD)
    assert SIGNED in said


def test_without_tools_to_write_the_draft_is_the_answer() -> None:
    calls, said = play(prompts.maker(state(CHANGELOG, level="L1")), READ, repository)
    assert {call.name for call in calls} == {"shell_read", "read_file"}
    assert "- Fix the second (2222222)" in said


def test_nothing_new_is_said_in_the_words_that_were_asked_for() -> None:
    def nothing(name: str, given: dict[str, Any]) -> str | tuple[bool, str]:
        return "exit 0, no output" if given.get("args", [""])[-1].endswith("..HEAD") else repository(name, given)

    assert play(prompts.maker(state(CHANGELOG)), WRITE, nothing)[1] == NOTHING


def test_a_repository_without_changelog_gets_one_since_its_last_tag() -> None:
    asked: list[str] = []

    def bare(name: str, given: dict[str, Any]) -> str | tuple[bool, str]:
        match name, given:
            case "shell_read", {"args": ["ls-files", *_]}:
                return "exit 0, no output"
            case "shell_read", {"args": ["describe", *_]}:
                return "exit 0\nv1"
            case "shell_read", {"args": ["log", *_, last]}:
                asked.append(last)
                return LOG
        return repository(name, given)

    calls, _ = play(prompts.maker(state(CHANGELOG)), WRITE, bare)
    assert asked == ["v1..HEAD"]
    assert calls[-1].arguments["path"] == "CHANGELOG.md"
    assert calls[-1].arguments["content"].startswith("# Changelog\n\n## Unreleased\n\n### Added\n- Add a first")


def test_a_log_that_cannot_be_read_is_told_not_passed_over() -> None:
    said = play(prompts.maker(state(CHANGELOG)), WRITE, lambda *_: (False, "exit 128\nfatal: no repository"))[1]
    assert said.startswith("I could not read the log")
    assert "no repository" in said


def row(decided: str, claim: str = HEAD) -> RoundRow:
    return RoundRow("l1/1", "l1", 1, ended=1_000_000, outcome="escalated", decided=decided, approval="A-1", claim=claim)


@pytest.mark.parametrize(
    ("decided", "again"), [("denied", False), ("waiting", False), ("expired", True), ("withdrawn", True)]
)
def test_what_waits_or_was_denied_is_not_proposed_again(decided: str, again: bool) -> None:
    told = prompts.maker(state(CHANGELOG, recall=recall([row(decided)], {"A-1": "not like this"})))
    assert "not like this" in told
    assert (play(told, WRITE, repository)[1] != NOTHING) is again
    other = prompts.maker(state(CHANGELOG, recall=recall([row(decided, "Changelog: 1 entry, aaaaaaa..0000000")])))
    assert play(other, WRITE, repository)[1] != NOTHING, "of other commits nobody has said anything"


@pytest.mark.parametrize(
    ("feedback", "there", "gone"),
    [
        ("leave out the second", "- Add a first (1111111)", "second"),
        ("shorter please", "- Add a first\n", "(1111111)"),
        ("Say that 0.2 is near", "### Changed\n- Say that 0.2 is near\n", "\0"),
        ("the base moved", "- Fix the second (2222222)", "base moved"),
    ],
)
def test_feedback_is_followed_as_far_as_its_words_are_simple(feedback: str, there: str, gone: str) -> None:
    told = prompts.maker(state(CHANGELOG, recall=recall([row("denied")]), feedback=feedback, about="l1/1"), "+x\n")
    calls, said = play(told, WRITE, repository)
    assert there in said
    assert gone not in said.replace(HEAD, "")
    assert calls[-1].name == "edit_file"


def test_leftovers_are_reported_and_spaces_taken_away_where_it_may_write() -> None:
    told = prompts.maker(state("Look for TODOs."))
    calls, said = play(told, WRITE, repository)
    assert calls[-1].arguments == {"path": "a.txt", "old_string": "one  \ntwo", "new_string": "one\ntwo"}
    assert said.startswith("Tidy a.txt: no spaces at line ends\n")
    assert "- src/a.py:7 # TODO: later" in said
    assert "- branch old is merged" in said
    assert "loops/" not in said
    assert "other" not in said
    _, only = play(told, READ, repository)
    assert only.startswith("Leftovers at 2222222: 2\n")


def test_what_was_reported_is_no_news() -> None:
    last = RoundRow("l1/1", "l1", 1, ended=1_000_000, outcome="reported", claim="Leftovers at 2222222: 2\n\nTODOs")
    assert play(prompts.maker(state("Look for TODOs.", recall=recall([last]))), READ, repository)[1] == NOTHING


def test_a_loop_it_has_no_script_for_is_refused_in_words() -> None:
    calls, said = play(prompts.maker(state("Label the new issues.")), WRITE, repository)
    assert calls == []
    assert "I cannot do this" in said
    assert play(prompts.checker(state("Label."), "", vd.FORM), READ, repository)[1].startswith('{"verdict": "concerns"')


# -- the checker ------------------------------------------------------------------------------------------------------

DIFF = """diff --git a/CHANGELOG.md b/CHANGELOG.md
--- a/CHANGELOG.md
+++ b/CHANGELOG.md
@@ -1,3 +1,5 @@
 # Changelog
+- Add a first (1111111)
"""


def judged(prompt: str, claim: str, diff: str, tools: Sequence[str] = READ, files: str = "") -> tuple[str, str]:
    s = state(prompt)
    s.ended["maker"] = ev.WorkerEnded("maker", "r1", "succeeded", claim, "model", "", 0)

    def answer(name: str, given: dict[str, Any]) -> str | tuple[bool, str]:
        return f"x lines 1-9 of 9\n{files}" if name == "read_file" else repository(name, given)

    calls, said = play(prompts.checker(s, diff, vd.FORM), tools, answer if files else repository)
    given = vd.read(said, calls)
    return given.verdict, " ".join(given.reasons)


@pytest.mark.parametrize(
    ("diff", "files", "verdict", "why"),
    [
        (DIFF, "- Add a first (1111111)", "clean", "1 of 1 lines"),
        (DIFF, "# Changelog", "concerns", "does not hold"),
        (DIFF.replace("Add a first", "Add a zeroth"), "- Add a zeroth (1111111)", "concerns", "No commit says"),
        (DIFF.replace("1111111", "2222222"), "- Add a first (2222222)", "concerns", "not what 2222222 says"),
        (f"{DIFF}-- an older line\n", "- Add a first (1111111)", "concerns", "An older line is gone"),
        (
            f"{DIFF}diff --git a/evil.py b/evil.py\n@@ -0,0 +1 @@\n+x\n",
            "- Add a first (1111111)",
            "concerns",
            "evil.py was changed too",
        ),
        (DIFF.replace("- Add a first (1111111)", "prose"), "prose", "concerns", "no line to check"),
    ],
    ids=["true", "not in the file", "invented", "wrong commit", "removes", "another file", "no entry"],
)
def test_a_draft_is_clean_only_when_each_line_is_a_commit(diff: str, files: str, verdict: str, why: str) -> None:
    found, reasons = judged(CHANGELOG, HEAD, diff, files=files)
    assert (found, why in reasons) == (verdict, True), reasons


def test_the_verdict_is_given_by_the_tool_where_there_is_one() -> None:
    assert judged(CHANGELOG, HEAD, DIFF, (*READ, "verdict"), "- Add a first (1111111)")[0] == "clean"


SPACES = "diff --git a/a.txt b/a.txt\n@@ -1 +1 @@\n-one  \n+one\n"


@pytest.mark.parametrize(
    ("claim", "diff", "files", "verdict"),
    [
        ("Leftovers at 1: 1\n\n- src/a.py:7 # TODO: later", "", "x", "clean"),
        ("Leftovers at 1: 1\n\n- src/a.py:8 # TODO: later", "", "x", "concerns"),
        ("Tidy a.txt: no spaces at line ends", SPACES, "one\ntwo", "clean"),
        ("Tidy a.txt: no spaces at line ends", SPACES, "one  \ntwo", "concerns"),
        ("Tidy a.txt: no spaces at line ends", SPACES.replace("+one", "+won"), "won", "concerns"),
    ],
    ids=["there", "not there", "spaces only", "still spaces", "a word too"],
)
def test_a_report_is_clean_only_when_it_is_found_again(claim: str, diff: str, files: str, verdict: str) -> None:
    assert judged("Is it right?", claim, diff, files=files)[0] == verdict


# -- whatever it is told ----------------------------------------------------------------------------------------------


def test_a_conversation_that_is_no_loops_is_not_its_business() -> None:
    said = Message.say("user", "You are a helpful agent.\n\nYou are the maker of the loop x. Its intent: y")
    assert move([said], ()) is None
    assert move([Message.say("assistant", "You are the maker of the loop x. Its intent: y")], ()) is None


@given(
    st.sampled_from(["maker", "checker"]),
    st.sampled_from(["changelog", "TODO", "whitespace in `*.txt`", ""]),
    st.text(max_size=200),
    st.lists(st.tuples(st.booleans(), st.text(max_size=200) | st.just(LOG) | st.just(OLD)), max_size=12),
    st.sets(st.sampled_from([*WRITE, "verdict"])),
)
def test_no_answer_of_any_tool_breaks_it(
    role: str, about: str, junk: str, answers: list[tuple[bool, str]], tools: set[str]
) -> None:
    told = f"You are the {role} of the loop x. Its intent: {about}\n\n{junk}"
    left = list(answers)
    _, said = play(told, sorted(tools), lambda *_: left.pop(0) if left else (True, "exit 0, no output"))
    if role == "checker" and said.startswith("{"):
        assert json.loads(said)["verdict"] in ("clean", "concerns")
