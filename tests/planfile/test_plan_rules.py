"""Plan files that are wrong: one sentence with file, line and job, and nothing is started."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.config import planfile
from harness_tui.config.plan_rules import MOST_JOBS
from harness_tui.domain.errors import UsageError

from .plans import SMALL, load, refused, written

WAIT = "wait = 1"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("wait = 1", "wiat = 1", 'p.toml:5: job a: unknown key "wiat"; did you mean "wait"?'),
        ("goal =", "gaol =", 'p.toml:1: unknown key "gaol"; did you mean "goal"?'),
        ('id = "a"', "", 'p.toml:3: job 1: the key "id" is missing.'),
        (
            "attempts = 2",
            "atempts = 2",
            'p.toml:13: job b: unknown key "atempts" in [jobs.retry]; did you mean "attempts"?',
        ),
        ("attempts = 2", 'attempts = "2"', 'p.toml:13: job b: "attempts" in [jobs.retry] must be a whole number'),
        ("attempts = 2", "attempts = 0", 'p.toml:13: job b: "attempts" must be 1 to 1000, not 0.'),
        ("attempts = 2", "delay = -1", 'p.toml:13: job b: "delay" must be 0 to 31622400 seconds, not -1.'),
        ("attempts = 2", "delay = inf", '"delay" must be 0 to 31622400 seconds, not inf.'),
        ("attempts = 2", "jitter = 1.5", 'p.toml:13: job b: "jitter" is a share from 0 to 1, not 1.5.'),
        ("attempts = 2", "jitter = nan", '"jitter" is a share from 0 to 1, not nan.'),
        ("attempts = 2", "factor = 0.5", '"factor" must be 1 to 1000, not 0.5.'),
        ("attempts = 2", 'backoff = "fast"', '"backoff" in [jobs.retry] must be one of none, fixed, exponential'),
        (WAIT, "wait = -1", 'p.toml:5: job a: "wait" must be 0 to 31622400 seconds, not -1.'),
        (WAIT, "wait = nan", "not nan."),
        (WAIT, "wait = inf", "not inf."),
        (WAIT, "wait = 1e300", "not 1e+300."),
        (WAIT, 'wait = "1"', '"wait" must be a number, not a string.'),
        (WAIT, 'prompt = " "', '"prompt" is empty.'),
        (WAIT, 'gate = ""', '"gate" is empty.'),
        (WAIT, "command = []", '"command" must be a program and its words, none of them empty.'),
        (WAIT, 'verify = ["sh", ""]', '"verify" must be a program and its words, none of them empty.'),
        (WAIT, 'tool = "greap"', 'there is no tool "greap"; did you mean "grep"?'),
        (WAIT, 'call = "count"', '"call" must be module:function, not "count".'),
        (WAIT, "", "p.toml:3: job a: it does nothing: give it one of prompt, tool, command, call, wait, gate, verify."),
        (WAIT, 'wait = 1\ngate = "x"', "p.toml:6: job a: it is of two kinds, wait and gate: make two jobs of it."),
        (WAIT, 'wait = 1\nkind = "gate"', 'p.toml:6: job a: "kind" is not what it has, "wait": leave "kind" out.'),
        (WAIT, 'prompt = "x"\ntools = ["grep", "nix"]', 'p.toml:6: job a: there is no tool "nix".'),
        (WAIT, 'prompt = "x"\ntools = ["grep", "grep"]', 'the tool "grep" is listed twice.'),
        (WAIT, 'prompt = "x"\nmodel = "fast"', 'there is no model "fast" in this plan or in config.toml.'),
        (WAIT, 'wait = 1\ntools = ["grep"]', 'p.toml:6: job a: "tools" says nothing of a wait job.'),
        (WAIT, "wait = 1\nback = 'b'", '"back" says nothing of a wait job.'),
        (WAIT, "wait = 1\nvisits = 0", '"visits" must be 1 to 1000, not 0.'),
        (WAIT, "wait = 1\nuses = { db = 1 }", 'it uses "db", which "resources" does not say how much there is of.'),
        (WAIT, 'wait = 1\nroute = [{ goto = "c" }]', 'a route leads to "c", which is no job.'),
        (WAIT, 'wait = 1\nroute = [{ goto = "a", stop = true }]', 'a route has "goto" and "stop"'),
        (WAIT, 'wait = 1\nroute = [{ match = "(" }]', '"match" is no regular expression'),
        (WAIT, 'wait = 1\nrouter = "f"', '"router" must be module:function, not "f".'),
        (WAIT, 'wait = 1\nrouter = "m:f"\nroute = [{ stop = true }]', 'it has a "route" and a "router"'),
        (WAIT, 'gate = "x"\nback = "c"', 'it goes back to "c", which is no job.'),
        (WAIT, "wait = 1\nbudget = { usd = -0.5 }", '"usd" of the budget must be 0 or more, not -0.5.'),
        (WAIT, 'tool = "grep"\narguments = { d = 2020-01-01 }', '"arguments" must be JSON'),
        ('deps = ["a"]', 'deps = ["aa"]', 'p.toml:9: job b: it depends on "aa", which is no job; did you mean "a"?'),
        ('id = "b"', 'id = "a"', "p.toml:8: job a: another job has this id"),
        ('id = "b"', 'id = "b/c"', 'p.toml:8: job b/c: "id" must be letters, digits'),
        ('id = "b"', 'id = "b#1"', '"id" must be letters, digits'),
        ('id = "b"', 'id = "-b"', '"id" must be letters, digits'),
        ('id = "b"', f'id = "{"b" * 401}"', '"id" must be letters, digits'),
        ('id = "b"', 'id = "b\\u001b"', '"id" must be letters, digits'),
        (WAIT, 'wait = 1\ndeps = ["b"]', "the jobs depend on each other in a circle: "),
        (WAIT, 'wait = 1\ndeps = ["a"]', "p.toml:3: the jobs depend on each other in a circle: a -> a."),
        ("goal", "concurrency = 0\ngoal", 'p.toml:1: "concurrency" must be 1 to 10000, not 0.'),
        ("goal", "max_replans = -1\ngoal", 'p.toml:1: "max_replans" must be 0 to 1000, not -1.'),
        ("goal", "resources = { db = 0 }\ngoal", '"db" in [resources] must be 1 or more, not 0.'),
        ("goal", 'resources = { "a b" = 1 }\ngoal', "a resource must be called by one word"),
        ("goal", "budget = { tokens = -1 }\ngoal", '"tokens" of the budget must be 0 or more, not -1.'),
        ("goal", 'level = "L4"\ngoal', '"level" must be one of L1, L2, L3, not "L4".'),
        ("goal", 'tools = ["x"]\ngoal', 'there is no tool "x".'),
        ("goal", 'workspace = "nowhere"\ngoal', '"workspace": there is no directory "nowhere".'),
        ("goal", 'workspace = "/"\ngoal', '"workspace" must be a directory of its own, not /.'),
        ("goal", 'sandbox = { kind = "container" }\ngoal', "must name its"),
        ("goal", 'model = { url = "not an url" }\ngoal', '"url" in [model] must be the address of a model server'),
        ("goal", 'models = { main = { model = "x" } }\ngoal', '"main" is the model of [model]'),
        ("goal", "planner = {}\ngoal", '[planner] needs a "prompt" or a "call", and not both.'),
        ("goal", 'planner = { call = "f" }\ngoal', '"call" must be module:function, not "f".'),
        ("goal", 'planner = { prompt = "x", model = "m" }\ngoal', 'there is no model "m"'),
    ],
)
def test_one_sentence_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert SMALL.count(old) == 1
    sentence = refused(written(tmp_path, SMALL.replace(old, new)))
    assert said in sentence
    assert sentence.startswith("p.toml:") and "\n" not in sentence and len(sentence) < 400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"jobs": [\n{"id": "a", "wait": NaN}]}', "p.json:2: NaN is no number here."),
        ('{"jobs": [\n{"id": "a", "wait": 1,}]}', "p.json:2: this is not JSON: "),
        ('{"jobs": [\n{"id": "a", "wait": 1, "id": "b"}]}', 'p.json:2: the key "id" is there twice.'),
        ('{"jobs": [], "jobs": []}', 'p.json:1: the key "jobs" is there twice.'),
        ('{"jobs": [\n{"id": "a", "prompt": "\\ud800"}]}', "p.json:2: this holds half of a character"),
        ('{"jobs": [\n7]}', "p.json:2: job 1: element 1 of"),
        ('{"jobs": {}}', '"jobs" must be a list, not a table.'),
        ("[]", 'this is no object with "jobs".'),
        ("{}", 'the key "jobs" is missing.'),
        ("", "p.json:1: this is not JSON: "),
        ('{"jobs": []}', '"jobs" is empty, and there is no [planner] to fill it.'),
        ("[" * 50_000, "p.json:1: this is nested too deeply."),
        ('{"jobs": [{"id": "a", "wait": ' + "9" * 5000 + "}]}", "a whole number must have at most 64 bits."),
        ('{"jobs": [{"id": "a", "wait": 1e999}]}', "not inf."),
        ('{"jobs":[{"id":"a","tool":"grep","arguments":{"a":' + "9" * 30 + "}}]}", '"arguments" must be JSON'),
        ('{"jobs":[{"id":"a","tool":"grep","arguments":' + '{"a":' * 40 + "1" + "}" * 40 + "}]}", "32 levels deep"),
        (b'{"jobs": "\xff"}', "this is not UTF-8 text."),
    ],
)
def test_json_that_is_wrong(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refused(written(tmp_path, text, "p.json"))


def test_what_cannot_be_read_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "There is no plan file nix.toml" in refused(tmp_path / "nix.toml")
    assert "Cannot read" in refused(tmp_path)
    monkeypatch.setattr(planfile, "MAX_BYTES", 1024 * 1024)
    assert "larger than 1 MiB" in refused(written(tmp_path, b"#" * (1024 * 1024 + 1)))


def test_more_jobs_than_one_run_may_have(tmp_path: Path) -> None:
    jobs = [{"id": f"j{number}", "wait": 0} for number in range(MOST_JOBS + 1)]
    assert f"{MOST_JOBS + 1} jobs are more than" in refused(written(tmp_path, json.dumps({"jobs": jobs}), "p.json"))


@pytest.mark.parametrize("form", ["json", "toml"])
def test_in_a_long_plan_the_line_is_found_as_well(tmp_path: Path, form: str) -> None:
    ids = [f"job{number:05d}" for number in range(4000)]
    wrong = random.Random(3).randrange(4000)
    lines = []
    for at, ident in enumerate(ids):
        key = "wiat" if at == wrong else "wait"
        if form == "toml":
            lines += ["[[jobs]]", f'id = "{ident}"', f"deps = {json.dumps(ids[max(0, at - 2) : at])}", f"{key} = 1"]
        else:
            job = {"id": ident, "deps": ids[max(0, at - 2) : at], key: 1}
            lines += [*json.dumps(job, indent=1).splitlines()[:-1], "}," if at < 3999 else "}"]
    lines = lines if form == "toml" else ['{"jobs": [', *lines, "]}"]
    line = next(number for number, text in enumerate(lines, 1) if "wiat" in text)
    said = refused(written(tmp_path, "\n".join(lines), f"p.{form}"))
    assert said.startswith(f"p.{form}:{line}: job {ids[wrong]}: unknown key"), said


def test_behind_many_jobs_the_other_tables_have_their_lines(tmp_path: Path) -> None:
    text = "".join(f'[[jobs]]\nid = "job{number:05d}"\nwait = 1\n' for number in range(4000))
    assert refused(written(tmp_path, f"{text}[budget]\ntokens = -1\n")).startswith("p.toml:12002: ")
    assert refused(written(tmp_path, f"concurrency = 0\n{text}")).startswith("p.toml:1: ")


values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "deps", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
keys = st.sampled_from([*planfile.PlanFile.__struct_fields__, "odd"])
fields = st.sampled_from([*planfile.Job.__struct_fields__, "odd"])


@settings(max_examples=200)
@given(st.dictionaries(keys, values, max_size=3), st.lists(st.dictionaries(fields, values, max_size=4), max_size=3))
def test_whatever_stands_in_it_is_a_plan_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, top: dict[str, Any], jobs: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.json"
    path.write_text(json.dumps({"jobs": jobs, **top}))
    said = ""
    try:
        load(path)
    except UsageError as error:
        said = str(error)
    assert "\n" not in said
