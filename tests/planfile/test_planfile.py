"""Plan files: what is right is settled whole, and TOML and JSON mean the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness_tui.config.planfile import Given, load_patch
from harness_tui.domain.dag.graph import Dag
from harness_tui.domain.dag.spec import DagSpec, Job, Limits, PlannerSpec, Retry, Route
from harness_tui.domain.errors import UsageError
from harness_tui.domain.task import BUILT_IN_TOOLS, ModelSpec, SandboxTable

from .plans import MODEL, SMALL, load, written

WHOLE = """\
goal = " compare the tools "
title = "tools"
concurrency = 2
resources = { db = 2 }
budget = { tokens = 900_000, usd = 1.5 }
tools = ["read_file"]
level = "L1"
sandbox = { kind = "none" }
max_replans = 3
workspace = "site"

[model]
model = "big"

[models.fast]
model = "small"

[planner]
prompt = "What is missing?"
model = "fast"
tools = ["grep"]

[[jobs]]
id = "draft"
prompt = "Write it."
model = "fast"
tools = ["grep", "read_file"]
max_iterations = 3
level = "L2"
sandbox = { kind = "bubblewrap", network = true }
budget = { tokens = 1000 }
retry = { attempts = 3, backoff = "exponential", delay = 0.5, factor = 3, max = 9, jitter = 0.25 }
uses = { db = 1 }
deadline = 30
visits = 4

[[jobs]]
id = "review"
deps = ["draft"]
verify = ["make", "check"]
route = [
    { when = "failed", match = "tests?", goto = "draft", feedback = "mend it" },
    { match = "enough", stop = true },
]

[[jobs]]
id = "ask"
deps = ["review"]
gate = "Publish?"
back = "draft"

[[jobs]]
id = "count"
deps = ["ask", "draft"]
call = "package.module:count"
arguments = { deep = { list = [1, 2.5, "x", true] } }
risk = "read_only"

[[jobs]]
id = "look"
tool = "grep"
arguments = { pattern = "x" }
"""


def test_a_whole_plan_is_settled(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    path = written(tmp_path, WHOLE)
    spec, jobs = load(path)
    assert spec == DagSpec(
        goal="compare the tools",
        concurrency=2,
        resources={"db": 2},
        budget=Limits(900_000, 1.5),
        tools=("read_file",),
        level="L1",
        sandbox=SandboxTable(kind="none"),
        models={"main": ModelSpec("", "big"), "fast": ModelSpec("", "small")},
        planner=PlannerSpec(prompt="What is missing?", model="fast", tools=("grep",)),
        max_replans=3,
        workspace=str((tmp_path / "site").resolve()),
        title="tools",
        source=str(path),
    )
    assert [(job.id, job.kind) for job in jobs] == [
        ("draft", "prompt"),
        ("review", "verify"),
        ("ask", "gate"),
        ("count", "call"),
        ("look", "tool"),
    ]
    draft, review, ask, count, _ = jobs
    assert draft.retry == Retry(3, "exponential", 0.5, 3.0, 9.0, 0.25)
    assert draft.sandbox == SandboxTable(kind="bubblewrap", network=True)
    assert (draft.budget.tokens, draft.uses, draft.deadline, draft.visits, draft.level) == (
        1000,
        {"db": 1},
        30,
        4,
        "L2",
    )
    assert review.route == (Route("failed", "tests?", "draft", feedback="mend it"), Route(match="enough", stop=True))
    assert (ask.back, count.deps, count.risk) == ("draft", ("ask", "draft"), "read_only")
    assert count.arguments == {"deep": {"list": [1, 2.5, "x", True]}}


@pytest.mark.parametrize("name", ["p.json", "p.plan", "p"])
def test_json_means_the_same(tmp_path: Path, name: str) -> None:
    import tomllib

    (tmp_path / "site").mkdir()
    toml = load(written(tmp_path, WHOLE))
    spec, jobs = load(written(tmp_path, json.dumps(tomllib.loads(WHOLE), indent=2), name))
    assert (spec, jobs) == (
        type(spec)(**{**{f: getattr(toml[0], f) for f in spec.__struct_fields__}, "source": spec.source}),
        toml[1],
    )


def test_a_plan_that_asks_no_model_is_given_none(tmp_path: Path) -> None:
    spec, jobs = load(written(tmp_path, SMALL), models=None, workspace=tmp_path)
    assert (spec.models, spec.budget, spec.concurrency, spec.level) == ({}, Limits(), 4, "L2")
    assert (spec.workspace, spec.title, jobs[0].wait) == (str(tmp_path.resolve()), "two steps", 1.0)


def test_only_what_is_asked_is_named_to_the_choice_of_models(tmp_path: Path) -> None:
    asked: list[object] = []

    def models(tables: object, used: object) -> dict[str, ModelSpec]:
        asked.append(used)
        return {"main": MODEL, "spare": MODEL}

    plan = 'jobs = [{ id = "a", prompt = "x", model = "spare" }, { id = "b", wait = 1 }]\n'
    spec, _ = load(written(tmp_path, plan), models=models, known_models=("spare", "other"))
    assert asked == [{"spare"}]
    assert set(spec.models) == {"main", "spare"}
    load(written(tmp_path, f"{plan}[planner]\nprompt = 'more?'\n"), models=models, known_models=("spare",))
    assert asked[1] == {"main", "spare"}
    load(written(tmp_path, "jobs = []\n[planner]\ncall = 'm:f'\n"), models=None)


def test_flags_are_over_the_file_and_held_to_the_same_rules(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL.replace("\n", "\nconcurrency = 3\n", 1))
    spec, _ = load(path, given=Given("L3", 7, 500, 0.25))
    assert (spec.level, spec.concurrency, spec.budget) == ("L3", 7, Limits(500, 0.25))
    with pytest.raises(UsageError, match='"concurrency" must be 1 to 10000, not 20000'):
        load(path, given=Given(concurrency=20_000))


def test_the_money_of_a_run_as_configured_holds_unless_the_plan_says_other(tmp_path: Path) -> None:
    assert load(written(tmp_path, SMALL), usd=2.0)[0].budget == Limits(0, 2.0)
    assert load(written(tmp_path, f"budget = {{ usd = 5 }}\n{SMALL}"), usd=2.0)[0].budget.usd == 5


def test_ids_of_published_workflows_are_ids(tmp_path: Path) -> None:
    ids = [
        "split_fasta_ID0000001",
        "individuals_ID0000001.1",
        "NFCORE_RNASEQ:RNASEQ:ALIGN.STAR-2",
        "0",
        "_x",
        "STEP:" * 79,
    ]
    jobs = [{"id": ident, "wait": 0.01, "deps": ids[:index]} for index, ident in enumerate(ids)]
    _, found = load(written(tmp_path, json.dumps({"jobs": jobs}), "w.json"))
    assert [job.id for job in found] == ids


def test_ten_thousand_jobs_are_read_once(tmp_path: Path) -> None:
    """Every edge is looked at; what grows with jobs times edges would not come to its end here."""
    ids = [f"j{number}" for number in range(10_000)]
    jobs = [{"id": ident, "deps": ids[max(0, at - 4) : at], "wait": 0} for at, ident in enumerate(ids)]
    _, found = load(written(tmp_path, json.dumps({"jobs": jobs}), "big.json"))
    assert sum(len(job.deps) for job in found) == 39_990


def test_a_patch_is_held_against_the_plan_it_changes(tmp_path: Path) -> None:
    dag = Dag.from_jobs([Job("a", wait=1), Job("b", deps=("a",), wait=1), Job("c", deps=("b",), wait=1)])

    def read(text: str) -> tuple[object, ...]:
        path = written(tmp_path, text, "patch.toml")
        file = load_patch(path, known_tools=BUILT_IN_TOOLS, models=("main",), resources={"db": 1}, jobs=dag)
        return [job.id for job in file.jobs], file.drop, file.reason

    assert read('reason = "more"\njobs = [{ id = "d", deps = ["c"], wait = 1, uses = { db = 1 } }]\n') == (
        ["d"],
        (),
        "more",
    )
    assert read('drop = ["c"]\njobs = [{ id = "b", deps = ["a"], wait = 2 }]\n') == (["b"], ("c",), "")
    for text, said in {
        "": "changes nothing",
        'drop = ["x"]': 'there is no job "x" to drop',
        'drop = ["b"]': "c depends on b",
        'jobs = [{ id = "a", deps = ["c"], wait = 1 }]': "in a circle: ",
        'jobs = [{ id = "d", deps = ["e"], wait = 1 }]': 'depends on "e", which is no job',
        'jobs = [{ id = "d", wait = 1, uses = { db = 2 } }]': "it uses 2 of",
        'drop = ["c"]\njobs = [{ id = "d", deps = ["c"], wait = 1 }]': 'depends on "c", which is no job',
        "concurrency = 3": 'unknown key "concurrency"',
    }.items():
        with pytest.raises(UsageError, match=said):
            read(text)
