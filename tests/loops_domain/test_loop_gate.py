"""The gate says yes only when nothing speaks against it, and names everything that does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness_tui.domain.loop.gate import Proposal, decide, listed
from harness_tui.domain.rules import Rule

from .made import GOOD, SPEC, gated, spec


def test_what_meets_everything_proceeds() -> None:
    said = decide(SPEC, "L3", GOOD)
    assert (said.decision, said.verified) == ("proceed", True)
    assert said.reason == "allowlist: apply-patch, verified, 2 files +10 -3"


@pytest.mark.parametrize("proposal", [GOOD, replace(GOOD, verdict="failed"), Proposal("anything")])
@pytest.mark.parametrize("use", ["escalate", "allowlist", "rules", "a:b", "nonsense"])
def test_l1_reports_and_l2_escalates_whatever_else(proposal: Proposal, use: str) -> None:
    rules = (Rule("allow", "loop:*", path="**"),)
    assert decide(gated(use=use), "L1", proposal, rules=rules, asked=lambda _: "").decision == "report"
    assert decide(gated(use=use), "L2", proposal, rules=rules, asked=lambda _: "").decision == "escalate"
    assert decide(gated(use=use), "L4", proposal, rules=rules, asked=lambda _: "").decision == "escalate"  # type: ignore[arg-type]


def test_l2_says_what_a_person_should_know() -> None:
    said = decide(SPEC, "L2", replace(GOOD, verdict="concerns", accepted=False))
    assert (
        said.reason
        == "at L2 a person decides on every change; not verified: the verdict is concerns; acceptance failed"
    )
    assert not said.verified


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"verdict": ""}, "not verified: no verdict"),
    ({"verdict": "concerns"}, "not verified: the verdict is concerns"),
    ({"verdict": "failed"}, "not verified: the verdict is failed"),
    ({"accepted": False}, "acceptance failed"),
    ({"accepted": None}, "acceptance was not run"),
    ({"kind": "push"}, 'the kind "push" is not listed'),
    ({"kind": "Apply-Patch"}, 'the kind "Apply-Patch" is not listed'),
    ({"sandboxed": False}, "no enforced sandbox"),
    ({"missing": "network"}, "no enforced sandbox: network"),
    ({"flags": (".envrc is protected",)}, ".envrc is protected"),
    ({"files": ("src/a.py",)}, "src/a.py is not in paths"),
    ({"files": ("docs/a.md", "Docs/b.md")}, "Docs/b.md is not in paths"),
    ({"files": ("docs/.env",)}, "docs/.env is not in paths"),
    ({"files": ("docs/.hidden/a.md",)}, "docs/.hidden/a.md is not in paths"),
    ({"files": ("docs/private/a.md",)}, "docs/private/a.md is in deny_paths"),
    ({"files": ("docs/private/.key",)}, "docs/private/.key is in deny_paths; docs/private/.key is not in paths"),
    (
        {"files": ("docs/../src/a.py",)},
        "docs/../src/a.py is no path inside the workspace; docs/../src/a.py is not in paths",
    ),
    ({"files": ("docs/./a.md",)}, "docs/./a.md is no path inside the workspace; docs/./a.md is not in paths"),
    ({"files": ("/docs/a.md",)}, "/docs/a.md is no path inside the workspace; /docs/a.md is not in paths"),
    ({"files": ("docs/.Git/hooks/x",)}, "docs/.Git/hooks/x is git's own; docs/.Git/hooks/x is not in paths"),
    ({"files": tuple(f"docs/{n}.md" for n in range(4))}, "4 files, more than max_files = 3"),
    ({"added": 60, "removed": 41}, "101 changed lines, more than max_lines = 100"),
    ({"files": ()}, "the change names no file"),
    ({"added": -200, "removed": 250}, "its lines could not be counted"),
]


@pytest.mark.parametrize(("fields", "reason"), WRONG)
def test_one_thing_wrong_is_enough_and_is_named(fields: dict[str, Any], reason: str) -> None:
    said = decide(SPEC, "L3", replace(GOOD, **fields))
    assert (said.decision, said.reason) == ("escalate", reason)


def test_all_that_is_wrong_is_named() -> None:
    bad = Proposal("push", "concerns", None, ("a", "b", "c", "docs/private/d"), 200, 1, ("a submodule moved",))
    assert decide(SPEC, "L3", bad).reason == (
        "not verified: the verdict is concerns; acceptance was not run; no enforced sandbox; a submodule moved; "
        "docs/private/d is in deny_paths; 4 files, more than max_files = 3; "
        "201 changed lines, more than max_lines = 100; "
        'the kind "push" is not listed; a, b, c are not in paths'
    )


def test_without_a_checker_nothing_is_verified() -> None:
    said = decide(spec(checker=None), "L3", GOOD)
    assert (said.decision, said.verified, said.reason) == ("escalate", False, "not verified: the loop has no checker")


def test_acceptance_is_asked_only_where_there_is_one() -> None:
    assert decide(spec(accept=None), "L3", replace(GOOD, accepted=None)).decision == "proceed"


def test_without_a_gate_l3_escalates_and_says_so() -> None:
    said = decide(gated(use="escalate"), "L3", GOOD)
    assert (said.decision, said.reason, said.verified) == ("escalate", "no gate is set: every change escalates", True)
    assert decide(gated(use="allow-list"), "L3", GOOD).reason == 'there is no gate "allow-list"'


def test_no_list_lists_nothing() -> None:
    assert decide(gated(kinds=()), "L3", GOOD).decision == "escalate"
    assert decide(gated(paths=()), "L3", GOOD).decision == "escalate"


def test_an_action_without_files_needs_no_paths() -> None:
    hook = spec(
        action=replace(SPEC.action, kind="tell", do="webhook"), gate=replace(SPEC.gate, kinds=("tell",), paths=())
    )
    assert decide(hook, "L3", Proposal("tell", "clean", True, sandboxed=True)).decision == "proceed"


@given(st.lists(st.sampled_from(range(len(WRONG))), unique=True, min_size=1, max_size=8))
def test_no_mix_of_wrong_things_makes_a_right_one(picked: list[int]) -> None:
    bad = GOOD
    for index in picked:
        bad = replace(bad, **WRONG[index][0])
    assert decide(SPEC, "L3", bad).decision == "escalate"


# -- globs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("docs/*", "docs/a.md", True),
        ("docs/*", "docs/a/b.md", False),
        ("docs/**", "docs/a/b.md", True),
        ("**", "a/b/c", True),
        ("**/*.md", "a.md", True),
        ("**/*.md", "a/b.md", True),
        ("*", ".env", False),
        ("**", ".env", False),
        ("**", "a/.b/c", False),
        (".env", ".env", True),
        (".*", ".env", True),
        ("?env", ".env", False),
        ("[.]env", ".env", False),
        (".github/**", ".github/workflows/ci.yml", True),
        (".github/**", ".github/.secret", False),
        ("**/.github/**", "a/.github/b", True),
        ("**/.*", "a/b/.c", True),
        ("docs/*", "DOCS/a.md", False),
        ("a.md", "a.md/b", False),
        ("a/**/c", "a/c", True),
    ],
)
def test_hidden_names_must_be_spelled(pattern: str, path: str, matches: bool) -> None:
    assert listed(pattern, path) is matches


@given(
    st.lists(st.sampled_from(["a", "b", "**", "*", "?", ".x"]), min_size=1, max_size=5).map("/".join),
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5).map("/".join),
)
def test_without_hidden_names_globs_mean_what_they_mean_in_rules(pattern: str, path: str) -> None:
    from harness_tui.domain.rules import path_matches

    assert listed(pattern, path) is path_matches(pattern, path)


# -- the operator's rules ---------------------------------------------------------------------------------------------

RULED = gated(use="rules", kinds=(), paths=())
ALLOW = Rule("allow", "loop:apply-patch", path="docs/**", id="R-1")


def test_rules_as_a_gate_allow_every_file_or_nothing() -> None:
    docs = replace(GOOD, files=("docs/a.md",))
    assert decide(RULED, "L3", docs, rules=(ALLOW,)).decision == "proceed"
    assert decide(RULED, "L3", GOOD, rules=(ALLOW,)).reason == "no rule allows all of loop:apply-patch"
    assert decide(RULED, "L3", docs, rules=()).decision == "escalate"
    assert decide(RULED, "L3", replace(docs, verdict=""), rules=(ALLOW,)).decision == "escalate"


@pytest.mark.parametrize(
    "rule",
    [
        Rule("allow", "*", path="**"),
        Rule("allow", "write_file", path="**"),
        Rule("allow", "loop:other", path="**"),
        replace(ALLOW, uses=1),
        replace(ALLOW, action="a" * 64),
    ],
)
def test_a_rule_that_was_not_written_for_this_allows_nothing_here(rule: Rule) -> None:
    assert decide(RULED, "L3", replace(GOOD, files=("docs/a.md",)), rules=(rule,)).decision == "escalate"


@pytest.mark.parametrize("use", ["allowlist", "rules"])
@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (Rule("deny", "loop:*", id="R-7"), "rule R-7 denies it"),
        (Rule("ask", "*", path="docs/a*", id="R-8"), "rule R-8 asks about it"),
    ],
)
def test_a_rule_that_denies_or_asks_holds_at_every_gate(use: str, rule: Rule, reason: str) -> None:
    rules = (Rule("allow", "loop:apply-patch", id="R-1"), rule, Rule("allow", "loop:apply-patch", path="**", id="R-2"))
    said = decide(gated(use=use), "L3", GOOD, rules=rules)
    assert said.decision == "escalate"
    assert reason in said.reason


# -- code -------------------------------------------------------------------------------------------------------------

CODED = gated(use="gates:mine", kinds=(), paths=())


def test_a_function_is_asked_last_and_only_about_what_nothing_else_stops() -> None:
    seen: list[Proposal] = []

    def asked(proposal: Proposal) -> str:
        seen.append(proposal)
        return ""

    assert decide(CODED, "L3", GOOD, asked=asked).decision == "proceed"
    for fields, _ in WRONG:
        if "kind" not in fields and not str(fields.get("files", "")).startswith("('src"):
            bad = replace(GOOD, **fields)
            if decide(CODED, "L3", bad).reason != "the gate's function was not loaded":
                assert decide(CODED, "L3", bad, asked=asked).decision == "escalate"
    assert seen == [GOOD]
    assert decide(CODED, "L3", GOOD, asked=lambda _: "not on Fridays").reason == "not on Fridays"
    assert decide(CODED, "L3", GOOD).decision == "escalate"


def test_lists_that_are_written_hold_beside_a_function() -> None:
    assert (
        decide(replace(SPEC, gate=replace(SPEC.gate, use="gates:mine")), "L3", GOOD, asked=lambda _: "").decision
        == "proceed"
    )
    strict = replace(SPEC, gate=replace(SPEC.gate, use="gates:mine", kinds=("other",)))
    assert decide(strict, "L3", GOOD, asked=lambda _: "").reason == 'the kind "apply-patch" is not listed'
