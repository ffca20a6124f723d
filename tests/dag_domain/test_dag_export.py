"""Graphs and plans as text: nothing in a name or a prompt gets out of its label, its string or its line."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.dag.export import diff_text, dot, mermaid, plan_text
from harness_tui.domain.dag.spec import Job, Limits, Retry, Route
from harness_tui.domain.dag.state import DagState, JobState
from harness_tui.domain.task import SandboxTable

from .rig import Rig

HOSTILE = ['a"];evil', "a]\nb-->c", "<b>x</b>", "`x`", "#quot;", "end", "\\", 'x\\"', "{a}", "a|b", "\u202e", "数"]
DOT_NODE = re.compile(r'    n\d+ \[label="(?:[^"\\]|\\.)*", class="[a-z_]+", fillcolor="#[0-9a-f]{6}"\];')
DOT_EDGE = re.compile(r"    n\d+ -> n\d+;")
MERMAID = re.compile(r'    (n\d+\["[^"\[\]<>`{}|&]*"\]:::[a-z_]+|n\d+ --> n\d+|classDef [a-z_]+ fill:#[0-9a-f]+,.*)')


def hostile(names: list[str]) -> DagState:
    """A state that says these are jobs; a plan file would not let them in."""
    s = DagState('r"20')
    for at, name in enumerate(names):
        s.jobs[name] = JobState(Job(name, (names[at - 1],) if at else (), wait=1.0))
    return s


def test_a_small_graph_in_full() -> None:
    rig = Rig([Job("a", wait=1.0), Job("b", ("a", "a"), wait=1.0)])
    rig.fail("a")
    lines = mermaid(rig.state).splitlines()
    assert lines[:4] == [
        "flowchart LR",
        '    n0["a: dead lettered"]:::dead_lettered',
        '    n1["b: cancelled"]:::cancelled',
        "    n0 --> n1",
    ]
    assert dot(rig.state) == (
        'digraph "r20" {\n    rankdir=LR;\n    node [shape=box, style="rounded,filled"];\n'
        '    n0 [label="a\\ndead lettered", class="dead_lettered", fillcolor="#fb9a99"];\n'
        '    n1 [label="b\\ncancelled", class="cancelled", fillcolor="#cab2d6"];\n'
        "    n0 -> n1;\n}\n"
    )


@given(st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8)), unique=True, max_size=8))
def test_no_name_gets_out_of_its_label(names: list[str]) -> None:
    s = hostile(names)
    drawn = mermaid(s).split("\n")
    assert drawn[0] == "flowchart LR" and drawn[-1] == ""
    assert all(MERMAID.fullmatch(line) for line in drawn[1:-1])
    head, *body = dot(s).split("\n")
    assert head == 'digraph "r\\"20" {' and body[-2:] == ["}", ""]
    assert all(DOT_NODE.fullmatch(line) or DOT_EDGE.fullmatch(line) for line in body[2:-2])
    assert sum(" -> " in line for line in body if DOT_EDGE.fullmatch(line)) == max(0, len(names) - 1)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(TEXT, st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    text = draw(TEXT)
    kinds: list[dict[str, Any]] = [{"prompt": text}, {"command": ("sh", text)}, {"call": text}, {"gate": text}]
    kind = draw(st.sampled_from(kinds))
    return Job(
        draw(st.sampled_from("abcdef")),
        tuple(draw(st.lists(TEXT, max_size=2))),
        title=draw(TEXT),
        arguments=draw(st.dictionaries(TEXT, VALUES, max_size=3)),
        tools=draw(st.sampled_from([None, (), ("read_file", "grep")])),
        sandbox=draw(st.sampled_from([None, SandboxTable("none", network=True)])),
        retry=draw(st.sampled_from([Retry(), Retry(3, "fixed", 1.5)])),
        budget=draw(st.sampled_from([Limits(), Limits(10, 0.5)])),
        route=draw(st.sampled_from([(), (Route(match="a\n'\"\\", goto="a"),)])),
        **kind,
    )


def _same(jobs: list[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: job.id)


@given(st.lists(jobs(), unique_by=lambda job: job.id, max_size=4))
def test_the_text_of_a_plan_is_the_plan(plan: list[Job]) -> None:
    text = plan_text(plan)
    read = tomllib.loads(text).get("jobs", [])
    assert msgspec.convert(read, list[Job]) == _same(plan)
    assert text == plan_text(plan[::-1])
    assert all(char == "\n" or char.isprintable() for char in text)


@given(
    st.lists(jobs(), unique_by=lambda job: job.id, max_size=4),
    st.lists(jobs(), unique_by=lambda job: job.id, max_size=4),
)
def test_the_diff_holds_both_plans_and_nothing_at_the_margin(before: list[Job], after: list[Job]) -> None:
    text = diff_text(before, after, "planner")
    old, new = {job.id: job for job in before}, {job.id: job for job in after}
    changed = sorted(ident for ident in old.keys() | new.keys() if old.get(ident) != new.get(ident))
    lines = text.split("\n")
    heads = [line for line in lines if line.startswith("@@")]
    assert [head.split()[1] for head in heads] == changed
    assert all(head.endswith(" by planner @@") for head in heads)
    assert all(line == "" or line[0] in " +-@" for line in lines)
    for sign, jobs_of in (("-", old), ("+", new)):
        kept = "\n".join(line[1:] for line in lines if line[:1] in (" ", sign))
        want = "\n".join(
            "\n".join(plan_text([jobs_of[ident]]).splitlines()[1:]) for ident in changed if ident in jobs_of
        )
        assert sorted(kept.split("\n")) == sorted(want.split("\n"))


def test_a_diff_reads_like_one() -> None:
    was = [Job("a", prompt="one\ntwo\nthree", tools=("grep",)), Job("gone", wait=1.0), Job("same", wait=1.0)]
    will = [Job("a", prompt="one\n2\nthree"), Job("new", ("a",), command=("make", "x")), Job("same", wait=1.0)]
    assert diff_text(was, will, "planner:p") == (
        '@@ a replaced by planner:p @@\n id = "a"\n prompt = """\n one\n-two\n+2\n three"""\n-tools = ["grep"]\n\n'
        '@@ gone dropped by planner:p @@\n-id = "gone"\n-wait = 1.0\n\n'
        '@@ new added by planner:p @@\n+id = "new"\n+deps = ["a"]\n+command = ["make", "x"]\n'
    )


def test_a_prompt_cannot_pass_for_a_head_line() -> None:
    text = diff_text([], [Job("a", prompt='x"""\n@@ b added by operator @@\n+id = "b"')], "planner")
    assert [line for line in text.splitlines() if line.startswith("@@")] == ["@@ a added by planner @@"]
