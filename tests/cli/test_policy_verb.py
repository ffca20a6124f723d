"""`policy` from a shell: checks that do nothing, rules with their examples, the replay, always allow, trust."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.clock import SystemClock
from harness_tui.config.paths import Paths
from harness_tui.domain import events as ev
from harness_tui.domain.events import Event, Fact, Write
from harness_tui.domain.messages import Text, ToolCall, Usage
from harness_tui.domain.rules import Rule
from harness_tui.domain.task import ModelSpec, RunSpec, TaskFile
from harness_tui.journal.journal import Journal

from .program import PATIENCE, run

pytestmark = pytest.mark.timeout(3 * PATIENCE)
JSON = ("--output-format", "json")
CLICK = '{"selector": "#up"}'
RULES = """
[[rule]]
decision = "allow"
tool = "browser_click"
uses = 1
match = [{ tool = "browser_click", args = { selector = "#up" } }]
not_match = [{ tool = "browser_fill", args = { selector = "#up", value = "x" } }]

[[rule]]
decision = "deny"
tool = "browser_fill"
reason = "Nothing is typed here."
"""


@pytest.fixture
def engine(home: Paths) -> Iterator[Paths]:
    """A home whose engine runs apart."""
    assert run(home, "engine", "start").code == 0
    yield home
    run(home, "engine", "stop", "--now")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return path


async def record(home: Paths, *, rules: tuple[Rule, ...] = ()) -> None:
    """A run that asked for three clicks and one text, of which a person allowed one; and rules of before."""
    home.ensure()
    journal = await Journal.open(home.journal, SystemClock())
    spec = RunSpec(TaskFile("vote", tools=("browser_click", "browser_fill")), ModelSpec("t", "m"), workspace="/")
    calls = [ToolCall(f"c{n}", "browser_click", {"selector": f"#up{n}"}) for n in range(3)]
    fill = ToolCall("c3", "browser_fill", {"selector": "#q", "value": "x"})
    asked = [
        ev.ApprovalRequested(
            id=f"A-{n}",
            call=call.id,
            tool=call.name,
            risk="high",
            risk_class="destructive",
            summary=f"click #up{n}",
            facts=(Fact("URL", "x"),),
            digest="d" * 64,
            action="a" * 64,
            expires=0,
            arguments=call.arguments,
        )
        for n, call in enumerate(calls)
    ]
    told: list[Event] = [
        ev.AttemptStarted("r1", 1),
        ev.ModelRequested("m1", 1, 1, "2026-11-21"),
        ev.ModelAnswered("m1", (Text("."), *calls, fill), Usage(1, 1)),
        *asked,
        ev.ToolRefused("c3", "browser_fill", "policy", "no"),
    ]
    await journal.append([Write("r1", 0, (ev.RunStarted(spec), ev.AttemptLaunched(1, "r1/1")))])
    await journal.append([Write("r1/1", 0, tuple(told))])
    await journal.append([Write("engine", 0, tuple(ev.RuleAdded(rule) for rule in rules))] if rules else [])
    await journal.close()


@pytest.mark.parametrize(
    ("words", "decision", "code"),
    [
        (("--tool", "browser_get_text", "--level", "L1"), "allow", 0),
        (("--tool", "browser_click", "--args", CLICK), "ask", 4),
        (("--tool", "browser_click", "--args", CLICK, "--level", "L1"), "refuse", 4),
        (("--tool", "browser_click", "--args", CLICK, "--level", "L3"), "refuse", 4),
        (("--tool", "browser_click", "--args", '{"selektor": "#up"}'), "refuse", 4),
    ],
    ids=str,
)
def test_a_check_says_what_would_happen_and_leaves_nothing(
    home: Paths, words: tuple[str, ...], decision: str, code: int
) -> None:
    nowhere = Paths(home.home / "none")
    done = run(nowhere, "policy", "check", *words, *JSON)
    assert (done.json["decision"], done.code) == (decision, code)
    assert done.json["reason"]
    assert done.json["rule"]
    assert run(nowhere, "policy", "check", *words).out.startswith(f"{decision}: ")
    assert not nowhere.home.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tool", "brwser_click"), 'There is no tool "brwser_click". Did you mean "browser_click"?'),
        (("--tool", "browser_click", "--args", "{"), "--args is not JSON"),
        (("--tool", "browser_click", "--args", "[]"), "--args must be one JSON object"),
        (("--tool", "browser_click", "--level", "L4"), "'L4' is not one of"),
        (("--tool", "browser_click", "--allow-host", "http://x"), "is no host"),
        (("--tool", "browser_click", "--task", "/nowhere.toml"), "There is no task file"),
        (("--tool", "browser_click", "--workspace", "/nowhere"), "There is no folder"),
    ],
)
def test_what_is_no_question_is_a_usage_error(home: Paths, words: tuple[str, ...], said: str) -> None:
    done = run(home, "policy", "check", *words, *JSON)
    assert (done.code, done.json["exit"]) == (2, 2)
    assert said in done.json["error"]
    assert len(done.err.splitlines()) == 1


async def test_a_check_hears_the_rules_on_record(home: Paths) -> None:
    await record(
        home,
        rules=(
            Rule("allow", "browser_click", id="R-1"),
            Rule("deny", "browser_select", reason="Not that.", id="R-2"),
            Rule("allow", "browser_fill", workspace="/nowhere", id="R-3"),
            Rule("allow", "browser_fill", expires=1, id="R-4"),
        ),
    )
    before = home.journal.read_bytes()
    click = run(home, "policy", "check", "--tool", "browser_click", "--args", CLICK, *JSON)
    assert (click.json["decision"], click.json["rule"], click.code) == ("allow", "R-1", 0)
    choose = ("--tool", "browser_select", "--args", '{"selector": "a", "value": "b"}')
    denied = run(home, "policy", "check", *choose, *JSON)
    assert (denied.json["decision"], denied.json["reason"], denied.json["rule"]) == ("refuse", "Not that.", "R-2")
    fill = ("--tool", "browser_fill", "--args", '{"selector": "a", "value": "b"}')
    assert run(home, "policy", "check", *fill, *JSON).json["decision"] == "ask"
    listed = run(home, "policy", "list", *JSON).json
    assert [row["id"] for row in listed] == ["R-1", "R-2", "R-3"]
    assert [row["state"] for row in run(home, "policy", "list", "--all", *JSON).json][3] == "expired"
    assert home.journal.read_bytes() == before


async def test_rules_are_replayed_against_the_past(home: Paths, rules: Path) -> None:
    await record(home)
    done = run(home, "policy", "replay", str(rules), *JSON).json
    assert {key: done[key] for key in ("calls", "allow", "ask", "refuse", "changed")} == {
        "calls": 4,
        "allow": 1,
        "ask": 0,
        "refuse": 1,
        "changed": 2,
    }, "one use is one call"
    assert [(each["run"], each["was"], each["before"], each["after"]) for each in done["requests"]] == [
        ("r1/1", "ask", "ask", "allow"),
        ("r1/1", "refuse", "ask", "refuse"),
    ]
    text = run(home, "policy", "add", str(rules), "--dry-run")
    assert text.out.splitlines()[0].startswith("r1/1  ask -> allow (R-new-1)  browser_click")
    assert "Of 4 past calls" in text.err
    asked = run(home, "policy", "add", str(rules), *JSON)
    assert asked.code == 2
    assert "no terminal to ask at" in asked.json["error"]
    assert run(home, "policy", "list", *JSON).json == []


def test_rules_are_added_listed_used_and_revoked(engine: Paths, rules: Path) -> None:
    added = run(engine, "policy", "add", str(rules), "--yes", *JSON).json
    assert (added["rules"], added["replay"]["calls"]) == (["R-1", "R-2"], 0)
    first, second = run(engine, "policy", "list", *JSON).json
    assert (first["decision"], first["uses"], first["used"], first["state"]) == ("allow", 1, 0, "in force")
    assert first["by"].endswith("(cli)")
    assert second["reason"] == "Nothing is typed here."
    assert "browser_click: any call" in run(engine, "policy", "list").out
    assert run(engine, "policy", "check", "--tool", "browser_click", "--args", CLICK).code == 0
    assert run(engine, "policy", "revoke", "R-1").code == 0
    assert run(engine, "policy", "check", "--tool", "browser_click", "--args", CLICK).code == 4
    assert run(engine, "policy", "revoke", "R-1").code == 2
    assert "Did you mean R-" in run(engine, "policy", "revoke", "R-11").err
    states = [row["state"] for row in run(engine, "policy", "list", "--all", *JSON).json]
    assert states == ["revoked", "in force"]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('"allow"', '"alow"', 3, '"decision" in [rule] must be one of allow, ask, deny, not "alow"'),
        ("decision", "decison", 3, 'unknown key "decison" in [rule]; did you mean "decision"?'),
        ("uses = 1", 'uses = "1"', 5, '"uses" in [rule] must be a whole number'),
        ("uses = 1", 'expires = "soon"', 5, '"expires" in [rule] must be like 30d'),
        ('"browser_fill"\n', '"browser_fil"\n', 11, 'there is no tool "browser_fil"; did you mean "browser_fill"?'),
        ("uses = 1", 'workspace = "/nowhere"', 5, "absolute path of a folder that exists"),
        ("uses = 1", 'level = "L3"', 5, 'unknown key "level" in [rule]'),
        ("uses = 1", 'command = ["...", "x"]', 5, "only be the last word"),
        (
            '"allow"\ntool = "browser_click"',
            '"deny"\ntool = "browser_*"',
            7,
            '"not_match" (browser_fill) is what the rule denies',
        ),
        ("selector", "selektor", 6, 'example 1 of "match" (browser_click) is no call'),
    ],
)
def test_a_misspelt_rule_is_no_permission(home: Paths, rules: Path, old: str, new: str, line: int, said: str) -> None:
    rules.write_text(RULES.replace(old, new, 1))
    done = run(home, "policy", "replay", str(rules), *JSON)
    assert done.code == 2
    assert f"{rules}:{line}: " in done.json["error"]
    assert said in done.json["error"]


async def test_always_allow_is_what_the_card_showed_and_no_more(home: Paths) -> None:
    await record(home)
    assert run(home, "engine", "start").code == 0
    try:
        words = ("A-0", "--uses", "2", "--expires", "7d", "--yes")
        assert run(home, "policy", "allow", *words, *JSON).json["rules"] == ["R-1"]
        (rule,) = run(home, "policy", "list", *JSON).json
        assert (rule["tool"], rule["action"], rule["workspace"], rule["uses"]) == ("browser_click", "a" * 64, "/", 2)
        assert rule["expires"]
        assert rule["reason"] == "as A-0 showed it: click #up0"
        check = run(home, "policy", "check", "--tool", "browser_click", "--args", CLICK, "--workspace", "/", *JSON)
        assert check.json["decision"] == "ask", "another action than the one that was shown"
        assert "There is no approval A-9" in run(home, "policy", "allow", "A-9", "--yes").err
        assert run(home, "policy", "allow", "A-0").code == 2
        assert "--expires must be like" in run(home, "policy", "allow", "A-0", "--expires", "x", "--yes").err
    finally:
        run(home, "engine", "stop", "--now")


def test_a_workspace_is_trusted_as_it_is_and_no_longer_once_it_changed(engine: Paths, tmp_path: Path) -> None:
    plugin = tmp_path / "w" / ".harness-tui" / "tools" / "notes.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("x = 1")
    place = str(tmp_path / "w")

    def states() -> list[Any]:
        return [row["state"] for row in run(engine, "policy", "trusted", *JSON).json]

    assert run(engine, "policy", "trusted", *JSON).json == []
    shown = run(engine, "policy", "trust", place)
    assert ".harness-tui/tools/notes.py (5 bytes)" in shown.out
    assert states() == ["trusted"]
    plugin.write_text("x = 2")
    assert states() == ["changed"]
    assert run(engine, "policy", "distrust", place).code == 0
    assert states() == []
    assert run(engine, "policy", "distrust", place).code == 2
    assert "nothing to trust" in run(engine, "policy", "trust", str(tmp_path)).err
