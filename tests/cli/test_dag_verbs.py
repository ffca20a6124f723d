"""The verbs of graphs as a shell sees them: real processes, killed and resumed, decided, steered and tried again."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from tests.e2e.shell import call, model_server, say

from .program import ARGV, PATIENCE, Done, Running, _env, run

pytestmark = pytest.mark.timeout(4 * PATIENCE)

JSON = ("--output-format", "json")
KEYS = {"run", "state", "jobs", "tokens", "usd", "goal", "reason", "verified", "replans", "reused", "exit", "error"}
DIAMOND: list[dict[str, Any]] = [
    {"id": "a", "wait": 0.01},
    {"id": "b", "deps": ["a"], "call": "json:dumps"},
    {"id": "c", "deps": ["a"], "wait": 0.02},
    {"id": "d", "deps": ["b", "c"], "wait": 0},
]


def plan(folder: Path, jobs: list[dict[str, Any]], **more: Any) -> str:
    path = folder / "plan.json"
    path.write_text(json.dumps({"goal": "try it", "workspace": str(folder), "jobs": jobs, **more}))
    return str(path)


def sh(script: str) -> dict[str, Any]:
    return {"command": ["sh", "-c", script], "sandbox": {"kind": "none"}}


def states(done: Done) -> dict[str, str]:
    return {ident: job["state"] for ident, job in done.json["jobs"].items()}


@pytest.fixture
def engine(home: Paths) -> Iterator[None]:
    """A detached engine for as long as the test lasts."""
    assert run(home, "engine", "start").code == 0
    yield
    run(home, "engine", "stop", "--now")


def test_a_plan_runs_with_nothing_configured(home: Paths, tmp_path: Path) -> None:
    done = run(home, "dag", "run", plan(tmp_path, DIAMOND), *JSON)
    assert done.code == 0, done.err
    assert set(done.json) == KEYS
    assert (done.json["run"], done.json["state"], done.json["exit"], done.json["error"]) == ("r1", "succeeded", 0, None)
    assert (done.json["tokens"], done.json["usd"], done.json["goal"]) == (0, 0.0, "try it")
    jobs = done.json["jobs"]
    assert list(jobs) == ["a", "b", "c", "d"]
    for job in jobs.values():
        assert set(job) == {"state", "attempts", "started", "finished", "error"}
        assert (job["state"], job["attempts"], job["error"]) == ("succeeded", 1, None)
        assert 0 <= job["started"] <= job["finished"] < PATIENCE
    for before, after in ("ab", "ac", "bd", "cd"):
        assert jobs[before]["finished"] <= jobs[after]["started"]
    assert re.search(r"dag +a started", done.err)
    assert re.search(r"dag +d succeeded", done.err)
    text = run(home, "dag", "run", plan(tmp_path, DIAMOND[:1]))
    assert [line.split()[:3] for line in text.out.splitlines()] == [["JOB", "STATE", "TRIES"], ["a", "succeeded", "1"]]


def test_a_plan_on_stdin(home: Paths) -> None:
    done = subprocess.run(
        [*ARGV, "dag", "run", "-", *JSON],
        input='{"jobs": [{"id": "only", "wait": 0}]}',
        env=_env(home),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert json.loads(done.stdout)["jobs"]["only"]["state"] == "succeeded"


def test_a_plan_that_is_wrong_is_refused_before_anything_starts(home: Paths, tmp_path: Path) -> None:
    home.home.rmdir()
    done = run(home, "dag", "run", plan(tmp_path, [*DIAMOND, {"id": "a", "deps": ["x"], "wait": 1}]), *JSON)
    assert (done.code, done.json["exit"]) == (2, 2)
    assert 'plan.json:1: job a: it depends on "x", which is no job' in done.json["error"]
    circle = plan(tmp_path, [{"id": "p", "deps": ["q"], "wait": 1}, {"id": "q", "deps": ["p"], "wait": 1}])
    assert "p -> q -> p" in run(home, "dag", "run", circle, *JSON).json["error"].replace("q -> p -> q", "p -> q -> p")
    assert not home.home.exists()


def test_a_dead_letter_takes_everything_after_it_along(home: Paths, tmp_path: Path) -> None:
    retry = {"attempts": 2, "backoff": "fixed", "delay": 0.01}
    jobs = [
        {"id": "bad", "call": "json:loads", "retry": retry},
        {"id": "next", "deps": ["bad"], "wait": 0},
        {"id": "far", "deps": ["next"], "wait": 0},
        {"id": "free", "wait": 0},
    ]
    done = run(home, "dag", "run", plan(tmp_path, jobs), *JSON)
    assert (done.code, done.json["state"]) == (1, "failed")
    assert states(done) == {"bad": "dead_lettered", "next": "cancelled", "far": "cancelled", "free": "succeeded"}
    assert done.json["jobs"]["bad"]["attempts"] == 2
    assert "bad is dead" in done.json["jobs"]["far"]["error"]
    assert done.json["jobs"]["far"]["started"] is None
    assert run(home, "dag", "resume", "r1", *JSON).json["error"].endswith("harness-tui dag retry r1")
    why = run(home, "dag", "why", "r1", "far", *JSON).json
    assert (why["state"], "bad" in why["why"]) == ("cancelled", True)


def test_of_many_jobs_it_is_told_how_far_it_is_and_what_goes_wrong(home: Paths, tmp_path: Path) -> None:
    jobs = [{"id": f"j{number}", "wait": 0} for number in range(600)]
    done = run(home, "dag", "run", plan(tmp_path, [*jobs, {"id": "bad", "call": "json:loads"}]), *JSON)
    assert (done.code, len(done.json["jobs"])) == (1, 601)
    assert "bad is dead" in done.err
    assert "j1 started" not in done.err
    assert re.search(r"dag +[\d,]+ of 601 jobs succeeded", done.err)
    assert len(done.err.splitlines()) < 60 + PATIENCE


def test_killed_half_way_it_is_shown_and_goes_on(home: Paths, tmp_path: Path) -> None:
    jobs = [
        {"id": "a", **sh("echo a >> log")},
        {"id": "b", "deps": ["a"], "wait": 0.01},
        {"id": "c", "deps": ["b"], "wait": 3600},
        {"id": "d", "deps": ["b"], "gate": "Go on?"},
        {"id": "e", "deps": ["d"], **sh("echo e >> log")},
    ]
    running = Running.start(home, "dag", "run", plan(tmp_path, jobs), *JSON)
    running.asked()
    running.send(signal.SIGKILL)
    assert running.end().code == -signal.SIGKILL
    shown = run(home, "dag", "show", "r1", *JSON)
    assert states(shown)["b"] == "succeeded"
    assert (shown.json["state"], shown.json["counts"]["all"], shown.json["waiting"]) == ("running", 5, ["d"])
    assert shown.json["jobs"]["d"]["approval"] == "A-1"
    assert shown.json["critical_path"][:2] == ["a", "b"]
    assert [row["jobs"]["succeeded"] for row in run(home, "dag", "list", *JSON).json] == [2]
    again = Running.start(home, "dag", "resume", "r1", *JSON)
    approval, digest = again.asked()
    assert approval == "A-1", "the request survives"
    assert run(home, "approvals", "approve", approval, "--digest", digest).code == 0
    again.told(r"dag +e succeeded")
    assert run(home, "dag", "cancel", "r1", "--job", "c").code == 0
    done = again.end()
    assert states(done) == {"a": "succeeded", "b": "succeeded", "c": "cancelled", "d": "succeeded", "e": "succeeded"}
    assert (tmp_path / "log").read_text() == "a\ne\n", "what had answered was not done again"


def test_nobody_waits_with_no_wait_and_the_request_stays(home: Paths, tmp_path: Path) -> None:
    jobs = [{"id": "ok", "gate": "Publish?"}, {"id": "out", "deps": ["ok"], "wait": 0}]
    done = run(home, "dag", "run", plan(tmp_path, jobs), "--no-wait", *JSON)
    assert (done.code, done.json["exit"], done.json["state"]) == (4, 4, "running")
    assert done.json["error"] == "Approval A-1 is needed; the run waits for it."
    card = run(home, "approvals", "show", "A-1", *JSON).json
    assert (card["kind"], card["facts"]["question"], card["facts"]["job"]) == ("gate", "Publish?", "ok")
    assert run(home, "dag", "resume", "r1", "--no-wait", *JSON).code == 4
    again = Running.start(home, "dag", "resume", "r1", *JSON)
    approval, digest = again.asked()
    assert run(home, "approvals", "deny", approval, "--digest", digest, "--reason", "not yet").code == 0
    done = again.end()
    assert (done.code, states(done)) == (4, {"ok": "dead_lettered", "out": "cancelled"})
    assert "not yet" in done.json["jobs"]["ok"]["error"]


def test_a_gate_sends_the_graph_back_with_the_reason(home: Paths, tmp_path: Path) -> None:
    jobs = [
        {"id": "draft", **sh("echo draft")},
        {"id": "ok", "deps": ["draft"], "gate": "Publish?"},
        {"id": "out", "deps": ["ok"], "wait": 0},
    ]
    running = Running.start(home, "dag", "run", plan(tmp_path, jobs), *JSON)
    first, digest = running.asked()
    pushed = run(home, "approvals", "pushback", first, "--digest", digest, "--reason", "shorter")
    assert pushed.code == 0, pushed.err
    found = running.told(r"approvals approve (?!A-1 )(\S+) --digest (\w+)")
    job = run(home, "dag", "show", "r1", "--job", "draft", *JSON).json
    assert (job["visits"], job["attempts"], job["feedback"]) == (2, 2, "shorter")
    assert [each["state"] for each in job["history"]] == ["succeeded", "succeeded"]
    assert "draft" in job["answer"]
    assert run(home, "approvals", "approve", found[1], "--digest", found[2]).code == 0
    assert set(states(running.end()).values()) == {"succeeded"}


def test_an_interrupt_cancels_the_run(home: Paths, tmp_path: Path) -> None:
    running = Running.start(home, "dag", "run", plan(tmp_path, [{"id": "long", "wait": 3600}]), *JSON)
    running.told(r"dag +long started")
    running.send(signal.SIGINT)
    done = running.end()
    assert (done.code, done.json["state"], states(done)) == (8, "cancelled", {"long": "cancelled"})


def test_a_signal_leaves_the_run_and_says_how_to_go_on(home: Paths, tmp_path: Path) -> None:
    jobs = [{"id": "long", "wait": 3600}, {"id": "held", "gate": "Go?"}, {"id": "last", "deps": ["held"], "wait": 0}]
    running = Running.start(home, "dag", "run", plan(tmp_path, jobs), *JSON)
    running.asked()
    assert run(home, "dag", "pause", "r1", "--job", "held").code == 0
    running.send(signal.SIGTERM)
    done = running.end()
    assert (done.code, done.json["exit"]) == (143, 143)
    assert done.json["error"] == "Stopped by SIGTERM. Go on with: harness-tui dag resume r1"
    again = Running.start(home, "dag", "resume", "r1", *JSON)
    again.told("held and what follows is paused; go on with: harness-tui dag resume r1 --job held\n")
    again.asked()
    assert run(home, "dag", "cancel", "r1", "--reason", "enough").code == 0
    done = again.end()
    assert (done.code, set(states(done).values())) == (8, {"cancelled"})
    shown = run(home, "runs", "show", "r1", *JSON).json
    assert (shown["kind"], shown["jobs"]["all"], shown["jobs"]["cancelled"]) == ("dag", 3, 3)


def test_tried_again_only_what_changed_is_done(home: Paths, tmp_path: Path) -> None:
    jobs = [
        {"id": "a", **sh("echo a >> log")},
        {"id": "b", "deps": ["a"], **sh("echo b >> log; test -e there")},
        {"id": "c", "deps": ["b"], **sh("echo c >> log")},
    ]
    done = run(home, "dag", "run", plan(tmp_path, jobs), *JSON)
    assert (done.code, states(done)["b"]) == (1, "dead_lettered")
    (tmp_path / "there").touch()
    preview = run(home, "dag", "retry", "r1", "--dry-run", *JSON).json
    assert (preview["again"], preview["reused"], preview["tokens"], preview["usd"]) == (["b", "c"], ["a"], 0, 0.0)
    told = run(home, "dag", "retry", "r1", "--dry-run")
    assert told.out.startswith("Again: b, c. Reused: 1 answer stands"), told.out
    again = run(home, "dag", "retry", "r1", *JSON)
    assert (again.code, set(states(again).values())) == (0, {"succeeded"}), again.err
    assert [job["attempts"] for job in again.json["jobs"].values()] == [1, 2, 1]
    assert (tmp_path / "log").read_text() == "a\nb\nb\nc\n"
    whole = run(home, "dag", "retry", "r1", "--from", "a", *JSON)
    assert whole.json["reused"] == 2, "a answered as before, so the others need not"
    assert (tmp_path / "log").read_text() == "a\nb\nb\nc\na\n"
    assert run(home, "dag", "retry", "r1", "--from", "x").code == 2


@pytest.mark.usefixtures("engine")
def test_a_run_at_work_is_steered(home: Paths, tmp_path: Path) -> None:
    jobs = [
        {"id": "hold", "gate": "Now?"},
        {"id": "after", "deps": ["hold"], "wait": 0},
        {"id": "branch", "deps": ["hold"], "wait": 0},
    ]
    started = run(home, "dag", "run", plan(tmp_path, jobs), "--detach", *JSON)
    assert (started.code, started.json["run"]) == (0, "r1"), started.err
    assert run(home, "dag", "pause", "r1", "--reason", "lunch", *JSON).code == 0
    shown = run(home, "dag", "show", "r1", *JSON).json
    assert (shown["state"], shown["paused"]["reason"]) == ("paused", "lunch")
    patch = tmp_path / "patch.toml"
    patch.write_text('reason = "more"\ndrop = ["after"]\n[[jobs]]\nid = "new"\ndeps = ["hold"]\nwait = 0\n')
    assert run(home, "dag", "replan", "r1", str(patch), *JSON).code == 0
    patch.write_text('drop = ["nix"]\n')
    assert (
        'patch.toml:1: there is no job "nix" to drop'
        in run(home, "dag", "replan", "r1", str(patch), *JSON).json["error"]
    )
    last = run(home, "dag", "show", "r1", *JSON).json["patches"][-1]
    assert (last["added"], last["replaced"], last["dropped"], last["reason"]) == (["new"], [], ["after"], "more")
    assert last["by"].startswith("operator")
    following = Running.start(home, "dag", "resume", "r1", *JSON)
    approval, digest = following.asked()
    assert run(home, "dag", "pause", "r1", "--job", "branch").code == 0
    assert run(home, "approvals", "approve", approval, "--digest", digest).code == 0
    following.told(r"dag +new succeeded")
    assert run(home, "dag", "resume", "r1", "--job", "branch").code == 0
    done = following.end()
    assert (done.code, states(done)) == (0, {"hold": "succeeded", "branch": "succeeded", "new": "succeeded"})
    for verb in ("pause", "cancel"):
        assert run(home, "dag", verb, "r1", *JSON).code == 2


def test_what_an_agent_under_the_graph_asks_is_asked_here(home: Paths, tmp_path: Path) -> None:
    script = (call("write_file", json.dumps({"path": "note.txt", "content": "hello"}), "c1"), say("written"))
    with model_server(*script) as server:
        jobs = [
            {"id": "note", "prompt": "Write a note.", "tools": ["write_file"]},
            {"id": "end", "deps": ["note"], "wait": 0},
        ]
        model = {"api": "openai-chat", "url": server.url, "model": "scripted"}
        running = Running.start(home, "dag", "run", plan(tmp_path, jobs, model=model), *JSON)
        approval, digest = running.asked()
        row = run(home, "approvals", "show", approval, *JSON).json
        assert (row["run"], row["tool"]) == ("r2", "write_file")
        assert run(home, "approvals", "approve", approval, "--digest", digest).code == 0
        done = running.end()
    assert (done.code, set(states(done).values())) == (0, {"succeeded"}), done.err
    assert done.json["tokens"] > 0
    assert (tmp_path / "note.txt").read_text() == "hello"
    job = run(home, "dag", "show", "r1", "--job", "note", *JSON).json
    assert (job["answer"], [each["stream"] for each in job["history"]]) == ("written", ["r2"])


def test_it_is_drawn_for_other_programs(home: Paths, tmp_path: Path) -> None:
    assert run(home, "dag", "run", plan(tmp_path, DIAMOND)).code == 0
    assert run(home, "dag", "show", "r1", "--format", "mermaid").out.startswith("flowchart LR\n")
    assert run(home, "dag", "show", "r1", "--format", "dot").out.startswith('digraph "r1" {\n')
    (tmp_path / "again.toml").write_text(run(home, "dag", "show", "r1", "--format", "toml").out)
    again = run(home, "dag", "run", str(tmp_path / "again.toml"), *JSON).json
    assert sorted(again["jobs"]) == sorted(run(home, "dag", "show", "r1", *JSON).json["jobs"])
    text = run(home, "dag", "show", "r1").out
    assert "4: 4 succeeded" in text
    assert re.search(r"^critical +a -> ", text, re.M)
    assert run(home, "dag", "show", "r1", "--job", "x", *JSON).json["error"].startswith("r1 has no job x.")
    assert run(home, "dag", "show", "r11", *JSON).json["error"] == "There is no run r11. Did you mean r1?"
    stream = run(home, "dag", "run", plan(tmp_path, DIAMOND), "--output-format", "stream-json")
    kinds = [json.loads(line)["type"] for line in stream.out.splitlines()]
    assert (kinds[0], kinds[-1]) == ("dag_started", "run_finished")
    assert kinds.count("job_succeeded") == 4


def test_an_empty_home_has_no_graphs_and_stays_empty(home: Paths) -> None:
    home.home.rmdir()
    assert run(home, "dag", "list", *JSON).json == []
    assert run(home, "dag", "list").err == "No graph has run yet. Run one with: harness-tui dag run FILE\n"
    assert run(home, "dag", "show", "r1", *JSON).code == 2
    assert not home.home.exists()


def test_a_wider_plan_is_shown_as_a_diff_and_decided(home: Paths, tmp_path: Path) -> None:
    added = {"id": "extra", "deps": ["a"], "command": ["sh", "-c", "echo more"]}
    answers = [say(json.dumps({"add": [added], "reason": "one is missing"})), say(json.dumps({"done": True}))]
    with model_server(*answers) as server:
        model = {"api": "openai-chat", "url": server.url, "model": "scripted"}
        path = plan(tmp_path, DIAMOND[:1], model=model, planner={"prompt": "What is missing?"})
        running = Running.start(home, "dag", "run", path, *JSON)
        approval, digest = running.asked()
        card = run(home, "approvals", "show", approval, *JSON).json
        assert (card["kind"], card["risk"]) == ("plan", "high")
        assert "extra" in card["diff"] and "echo more" in card["diff"]
        assert "echo more" in run(home, "approvals", "show", approval).out
        assert run(home, "approvals", "approve", approval, "--digest", digest).code == 0
        done = running.end()
    assert (done.code, states(done)) == (0, {"a": "succeeded", "extra": "succeeded"}), done.err
    assert done.json["replans"] == 2
    assert done.json["tokens"] > 0, "what the planner took counts"
    last = run(home, "dag", "show", "r1", *JSON).json["patches"][-1]
    assert (last["added"], last["reason"]) == (["extra"], "one is missing")
    assert last["by"].startswith("planner")
