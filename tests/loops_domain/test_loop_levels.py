"""A level is earned by exactly the evidence its spec asks, after a drill of just this loop, and lost by one signal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness_tui.domain.events import Gated
from harness_tui.domain.loop import gate, levels
from harness_tui.domain.loop.gate import Proposal
from harness_tui.domain.loop.rows import Scorecard
from harness_tui.domain.loop.spec import Caps, Evidence, Gate, LoopSpec, digest
from harness_tui.domain.task import Guardrails, Level, ModelSpec, TaskFile

from .made import DAY, NOW, SPEC, gated, proven, round, row, spec


def refused(of: LoopSpec, standing: Any, to: Level = "L3", now: int = NOW) -> str:
    return levels.missing(levels.may_promote(of, standing, to, now))


def test_exactly_what_is_asked_is_enough() -> None:
    assert refused(SPEC, proven()) == ""


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"rounds": 9}, "9 of 10 rounds that ended well"),
        ({"failed": 1}, "9 of 10 rounds that ended well (1 failed or ran out of budget)"),
        ({"exhausted": 2}, "8 of 10 rounds that ended well (2 failed or ran out of budget)"),
        ({"verified": 8}, "8 of 10 proposals verified, 90% asked"),
        ({"proposals": 0, "verified": 0}, "0 of 0 proposals verified, 90% asked"),
        ({"approved": 4}, "4 of 5 changes approved as they were"),
        ({"denied": 1}, "1 bad, 0 allowed: 1 denied"),
        ({"edited": 1, "pushed_back": 2}, "3 bad, 0 allowed: 1 edited, 2 pushed back"),
        ({"failures": 1}, "1 bad, 0 allowed: 1 failed to be carried out"),
        ({"rolled_back": 1}, "1 bad, 0 allowed: 1 rolled back"),
    ],
)
def test_one_count_short_is_refused_by_name(fields: dict[str, int], line: str) -> None:
    standing = proven()
    for name, value in fields.items():
        setattr(standing.since, name, value)
    assert refused(SPEC, standing) == line


def test_days_are_those_since_the_level_was_set() -> None:
    assert refused(SPEC, proven(), now=NOW - DAY) == "6.0 of 7 days at L2"
    # A clock that was set back behind it proves no time at all.
    assert refused(SPEC, proven(), now=NOW - 30 * DAY) == "0.0 of 7 days at L2"


def test_every_line_that_is_not_met_is_named() -> None:
    lone = spec(checker=None, gate=Gate())
    assert refused(lone, row(lone, since=Scorecard(rounds=2, denied=1), level_since=NOW)) == (
        "2 of 10 rounds that ended well; 0 of 0 proposals verified, 90% asked; 0 of 5 changes approved as they were; "
        "1 bad, 0 allowed: 1 denied; 0.0 of 7 days at L2; a gate that can say yes (escalate); a checker (none); "
        "a drill of exactly this loop (not passed)"
    )


def test_the_drill_must_be_of_exactly_this_loop() -> None:
    standing = proven()
    standing.drilled = digest(gated(max_files=4))
    assert refused(SPEC, standing) == "a drill of exactly this loop (not passed)"


@pytest.mark.parametrize(
    ("at", "to"), [("L1", "L3"), ("L2", "L1"), ("L2", "L2"), ("L3", "L3"), ("L3", "L2"), ("L1", "L1")]
)
def test_one_step_at_a_time(at: Level, to: Level) -> None:
    assert f"is at {at}" in refused(SPEC, proven(level=at), to)


def test_at_l1_nothing_was_proposed_so_nothing_is_asked_of_that() -> None:
    standing = row(level="L1", since=Scorecard(rounds=10, reported=10))
    assert refused(SPEC, standing, "L2") == ""
    assert refused(SPEC, row(level="L1", since=Scorecard(rounds=10, reported=8, failed=2)), "L2").startswith("8 of 10")


def test_a_report_nobody_keeps_leaves_nothing_to_decide() -> None:
    told = spec(action=replace(SPEC.action, do="report"))
    standing = row(told, level="L1", since=Scorecard(rounds=10, reported=10))
    assert refused(told, standing, "L2") == "an action to decide on (report)"
    kept = spec(action=replace(SPEC.action, do="report", path="reports/{date}.md"))
    assert refused(kept, standing, "L2") == ""


def test_a_removed_loop_is_not_promoted() -> None:
    assert refused(SPEC, proven(state="removed")) == "docs was removed"


@given(
    st.builds(
        Scorecard,
        **{
            name: st.integers(0, 30)
            for name in ("rounds", "proposals", "verified", "failed", "approved", "edited", "denied")
        },
    ),
    st.builds(
        Evidence,
        st.integers(0, 20),
        st.floats(0, 1) | st.just(float("nan")),
        st.integers(0, 10),
        st.integers(0, 5),
        st.floats(0, 20) | st.just(float("nan")),
    ),
    st.integers(0, 20),
)
def test_promotion_follows_the_numbers(since: Scorecard, need: Evidence, days: int) -> None:
    of = spec(promote=need)
    standing = row(of, since=since, level_since=NOW - days * DAY, drilled=digest(of))
    allowed = refused(of, standing) == ""
    assert allowed == (
        since.rounds - since.failed >= need.rounds
        and (since.verified / since.proposals if since.proposals else 0) >= need.verified
        and since.approved >= need.approved
        and since.denied + since.edited <= need.max_bad
        and days >= need.days
    )


# -- down -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "signal"),
    [
        ({}, None),
        ({"decided": "done", "gate": "proceed", "outcome": "proceeded", "verdict": "clean"}, None),
        ({"decided": "denied"}, "denied_at_l3"),
        ({"decided": "expired"}, None),
        ({"verdict": "concerns"}, "checker_disagreement"),
        ({"verdict": "failed"}, "checker_disagreement"),
        ({"outcome": "exhausted"}, "budget_breach"),
        ({"decided": "failed"}, "executor_failed"),
        ({"gate": "proceed", "outcome": "failed"}, "executor_failed"),
        ({"outcome": "failed"}, None),
        ({"decided": "done", "rolled_back": "reverted by 1234"}, "rolled_back"),
    ],
)
def test_what_a_round_at_l3_tells_against_its_loop(fields: dict[str, Any], signal: str | None) -> None:
    assert levels.signal(SPEC, round(level="L3", **fields)) == signal


def test_at_l2_concerns_and_denials_are_what_the_level_is_for() -> None:
    assert levels.signal(SPEC, round(level="L2", verdict="failed", decided="denied")) is None
    assert levels.signal(SPEC, round(level="L2", decided="failed")) == "executor_failed"
    assert levels.signal(gated(kinds=("other",)), round(level="L3", verdict="failed")) is None


@pytest.mark.parametrize(
    ("at", "signal", "to"),
    [
        *[("L3", each, "L2") for each in levels.Signal.__args__],  # type: ignore[attr-defined]
        ("L2", "executor_failed", "L1"),
        ("L2", "rolled_back", "L1"),
        ("L2", "denied_at_l3", None),
        ("L2", "budget_breach", None),
        ("L2", "checker_disagreement", None),
        ("L1", "rolled_back", None),
    ],
)
def test_a_signal_costs_one_step(at: Level, signal: levels.Signal, to: str | None) -> None:
    fallen = levels.demotion(row(level=at, since=Scorecard(rounds=3, denied=1)), signal, "l3/214")
    if to is None:
        assert fallen is None
        return
    assert fallen
    assert (fallen.level, fallen.by, fallen.evidence) == (to, "harness", ("3 rounds, 1 denied",))
    assert fallen.reason.startswith(f"from {at} to {to}: ")
    assert fallen.reason.endswith(" in round 214.")


# -- added again ------------------------------------------------------------------------------------------------------

VOID: list[dict[str, Any]] = [
    {"intent": "Another."},
    {"maker": TaskFile("Do something else.")},
    {"maker": replace(SPEC.maker, tools=("shell_exec",))},
    {"maker": replace(SPEC.maker, guardrails=Guardrails(99))},
    {"models": {"maker": ModelSpec("openai", "other")}},
    {"checker": None},
    {"gate": replace(SPEC.gate, paths=("**",))},
    {"gate": replace(SPEC.gate, max_lines=10_000)},
    {"action": replace(SPEC.action, kind="push")},
    {"accept": None},
    {"workspace": "/srv/other"},
]


@pytest.mark.parametrize("changed", VOID)
def test_another_loop_begins_where_its_file_says(changed: dict[str, Any]) -> None:
    level, why = levels.readded(SPEC, spec(**changed), proven(level="L3"))
    assert level == "L2"
    assert why.startswith("from L3 to L2: changed ")
    low = spec(level="L1")
    assert levels.readded(low, replace(low, **changed), proven(level="L2"))[0] == "L1"


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"schedule": "*/5 * * * *"},
        {"zone": "Europe/Berlin", "overlap": "queue", "missed": "all", "missed_limit": 9},
        {"budget": Caps(1, 2.0, 3, 4.0), "pause_after": 9, "approval_life": 1.0},
        {"promote": Evidence(1)},
    ],
)
def test_when_and_how_often_it_runs_costs_no_level(changed: dict[str, Any]) -> None:
    assert levels.readded(SPEC, spec(**changed), proven(level="L3")) == ("L3", "")


def test_the_level_in_the_file_is_followed_and_l3_is_not_written() -> None:
    assert levels.readded(SPEC, spec(level="L1"), row(level="L2"))[0] == "L1"
    assert levels.readded(spec(level="L1"), SPEC, row(level="L1"))[0] == "L2"
    assert levels.readded(SPEC, spec(level="L3"), row(level="L2"))[0] == "L2"
    assert levels.readded(SPEC, SPEC, proven(level="L3", state="removed"))[0] == "L2"


def test_every_field_of_a_spec_voids_the_record_unless_it_is_named_as_harmless() -> None:
    """A field somebody adds later is not harmless before somebody says so."""
    assert set(LoopSpec.__struct_fields__) >= levels._HARMLESS
    tried = {name for each in VOID for name in each} | {"level", "name"}
    assert set(LoopSpec.__struct_fields__) - levels._HARMLESS == tried


# -- the drill --------------------------------------------------------------------------------------------------------


def test_the_allow_list_passes_its_drill() -> None:
    run = levels.drill(SPEC)
    assert run.passed, run.checks
    assert run.digest == digest(SPEC)
    assert run == levels.drill(SPEC)
    said = "\n".join(run.checks)
    for wrong in (
        "no verdict: escalate (not verified: no verdict)",
        "concerns: escalate (not verified: the verdict is concerns)",
        "acceptance failed: escalate (acceptance failed)",
        "a kind that is not listed: escalate (the kind",
        "a path off the list: escalate (drill-elsewhere is not in paths)",
        "a denied path: escalate (docs is in deny_paths)",
        "a hook, though listed: escalate (.git/hooks/post-commit is git's own)",
        "a path outside: escalate (../docs is no path inside the workspace)",
        "4 files: escalate (4 files, more than max_files = 3)",
        "too many lines: escalate (101 changed lines",
        "no enforced sandbox: escalate (no enforced sandbox)",
        "a protected name: escalate (.envrc is protected)",
    ):
        assert wrong in said


def test_each_bad_proposal_of_the_drill_has_one_thing_wrong() -> None:
    for check in levels.drill(SPEC).checks[3:]:
        assert ";" not in check, check


def test_a_gate_that_stops_everything_fails() -> None:
    run = levels.drill(gated(use="escalate"))
    assert not run.passed
    assert run.checks[0].startswith("wrong: a good proposal (docs): escalate (no gate is set")


def test_a_gate_that_lets_everything_through_fails_with_every_line() -> None:
    run = levels.drill(SPEC, lambda spec, level, proposal: Gated("proceed", "", True))
    assert not run.passed
    assert all(check.startswith("wrong: ") for check in run.checks[1:])
    assert not run.checks[0].startswith("wrong: ")


_IGNORED: dict[str, Any] = {
    "verdict": "clean",
    "accepted": True,
    "kind": "apply-patch",
    "files": ("docs",),
    "added": 1,
    "flags": (),
    "sandboxed": True,
    "missing": "",
}


@pytest.mark.parametrize("blind", _IGNORED)
def test_a_gate_that_is_blind_to_one_thing_fails(blind: str) -> None:
    def decide(spec: LoopSpec, level: Level, proposal: Proposal) -> Gated:
        return gate.decide(spec, level, replace(proposal, **{blind: _IGNORED[blind]}))

    assert not levels.drill(SPEC, decide).passed


def test_limits_that_are_none_do_not_pass() -> None:
    assert not levels.drill(gated(max_files=10**9)).passed


@pytest.mark.parametrize("paths", [("**",), ("*.md",), ("a/?/c*",), (".github/**",), ("src/**/*.py", "x")])
def test_a_good_path_is_made_of_the_list(paths: tuple[str, ...]) -> None:
    run = levels.drill(gated(paths=paths))
    assert run.passed, run.checks


def test_a_loop_without_files_is_drilled_on_the_rest() -> None:
    hook = spec(action=replace(SPEC.action, kind="tell", do="webhook"), gate=Gate("allowlist", ("tell",)))
    run = levels.drill(hook)
    assert run.passed, run.checks
    assert not any("path" in check for check in run.checks)


def test_a_loop_that_denies_all_it_lists_has_no_good_proposal() -> None:
    run = levels.drill(gated(deny_paths=("**",)))
    assert not run.passed
    assert "no path could be made up" in run.checks[0]
