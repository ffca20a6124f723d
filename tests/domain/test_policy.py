"""The one judgement: refusal, deny, ask, allow, level, in this order, whatever the order of rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness_tui.domain.approval import Judgement, Proposal, action_digest
from harness_tui.domain.events import Fact
from harness_tui.domain.messages import RISKS
from harness_tui.domain.policy import CANNOT, LEVELS, Weighed, judge, may, rule
from harness_tui.domain.rules import Rule, Subject, Where
from harness_tui.domain.task import Level

HERE = Where("/w", "r1", 100)
GENEROSITY = {"refuse": 0, "ask": 1, "allow": 2}

words = st.sampled_from([("git", "log"), ("git", "push"), ("npm", "test"), ("rm", "-rf", "/")])
subjects = st.builds(
    Subject,
    st.just("shell_exec"),
    st.lists(words, max_size=2).map(tuple),
    st.lists(st.sampled_from(["a.py", "docs/b.md"]), max_size=1).map(tuple),
    st.lists(st.sampled_from(["example.com", "evil.io"]), max_size=1).map(tuple),
    st.booleans(),
)
calls = st.builds(
    lambda subject, risk, free, refusal, sandboxed: Weighed(
        Proposal("shell_exec", {}, risk, "high", "s"), subject, free=free, refusal=refusal, sandboxed=sandboxed
    ),
    subjects,
    st.sampled_from(RISKS),
    st.booleans(),
    st.sampled_from(["", "", "a guard says no"]),
    st.booleans(),
)
rules = st.lists(
    st.builds(
        lambda decision, tool, pattern, workspace, expires, uses: Rule(
            decision, tool, workspace=workspace, expires=expires, uses=uses, **pattern
        ),
        st.sampled_from(["allow", "ask", "deny"]),
        st.sampled_from(["*", "shell_exec", "web_*"]),
        st.sampled_from(
            [{}, {"command": ("git", "...")}, {"command": ("npm", "test")}, {"path": "**"}, {"host": "example.com"}]
        ),
        st.sampled_from(["", "/w", "/other"]),
        st.sampled_from([0, 50, 150]),
        st.sampled_from([0, 1]),
    ),
    max_size=6,
).map(lambda found: [replace(each, id=f"R-{n}") for n, each in enumerate(found, 1)])
levels = st.sampled_from(LEVELS)


def verdict(call: Weighed, level: Level, rules: Sequence[Rule], used: dict[str, int] | None = None) -> int:
    return GENEROSITY[judge(call, level, rules, HERE, used).verdict]


@given(calls, levels, rules, st.randoms())
def test_the_order_of_rules_changes_nothing(call: Weighed, level: Level, rules: list[Rule], random: Any) -> None:
    shuffled = list(rules)
    random.shuffle(shuffled)
    assert verdict(call, level, rules) == verdict(call, level, shuffled)


@given(calls, levels, rules)
def test_deny_beats_everything_but_a_refusal_that_is_said_first(call: Weighed, level: Level, rules: list[Rule]) -> None:
    denied = judge(call, level, [*rules, Rule("deny", "shell_exec", id="R-d")], HERE)
    assert denied.verdict == "refuse"
    assert denied.why == ("policy" if call.refusal else "rule")


@given(calls, levels, rules, rules)
def test_an_allow_rule_never_lifts_a_refusal_a_deny_or_an_ask(
    call: Weighed, level: Level, rules: list[Rule], more: list[Rule]
) -> None:
    bound = [each for each in rules if each.decision != "allow"]
    strict = judge(call, level, bound, HERE)
    freed = judge(call, level, [*bound, *(each for each in more if each.decision == "allow")], HERE)
    if (strict.why in ("policy", "rule") and strict.verdict == "refuse") or strict.rule in {each.id for each in bound}:
        assert freed == strict


@given(calls, levels, rules)
def test_taking_a_rule_away_is_monotone(call: Weighed, level: Level, rules: list[Rule]) -> None:
    whole = verdict(call, level, rules)
    for each in rules:
        rest = verdict(call, level, [other for other in rules if other is not each])
        assert rest <= whole if each.decision == "allow" else rest >= whole


@given(calls, rules, st.sampled_from(["L1", "l2", "L4", ""]))
def test_at_l1_and_at_a_level_that_is_none_only_reading_is_ever_allowed(
    call: Weighed, rules: list[Rule], level: Any
) -> None:
    judged = judge(call, level, rules, HERE)
    assert judged.verdict != "ask"
    if judged.verdict == "allow":
        assert (level, call.proposal.risk_class) == ("L1", "read_only")


@given(calls, levels, rules)
def test_nothing_is_allowed_that_no_one_allows(call: Weighed, level: Level, rules: list[Rule]) -> None:
    judged = judge(call, level, rules, HERE)
    risk = call.proposal.risk_class
    if judged.verdict != "allow" or risk == "read_only":
        return
    if not (call.free or risk == "idempotent"):
        by = [each for each in rules if each.id in judged.rule.split()]
        assert by
        assert all(each.decision == "allow" for each in by)
    assert call.subject.understood


@given(calls, levels, rules)
def test_rules_out_of_scope_expired_or_used_up_count_for_nothing(
    call: Weighed, level: Level, rules: list[Rule]
) -> None:
    used = {each.id: 1 for each in rules}
    live = [r for r in rules if r.workspace != "/other" and r.expires != 50 and r.uses != 1]
    assert judge(call, level, rules, HERE, used) == judge(call, level, live, HERE, used)


@given(calls, rules)
def test_l3_never_asks_and_acts_only_in_a_sandbox(call: Weighed, rules: list[Rule]) -> None:
    judged = judge(call, "L3", rules, HERE)
    assert judged.verdict != "ask"
    if call.proposal.risk_class in ("destructive", "network") and not (call.free or call.sandboxed):
        assert judged.verdict == "refuse"


def act(subject: Subject, **more: Any) -> Weighed:
    return Weighed(Proposal("shell_exec", {"command": "x"}, "destructive", "high", "s"), subject, **more)


@pytest.mark.parametrize(
    ("rules", "level", "expected"),
    [
        ([], "L2", ("ask", "L2")),
        ([Rule("allow", "shell_exec", command=("git", "push"), id="R-1")], "L2", ("ask", "L2")),
        (
            [
                Rule("allow", "shell_exec", command=("git", "push"), id="R-1"),
                Rule("allow", "shell_exec", command=("npm", "..."), id="R-2"),
            ],
            "L2",
            ("allow", "R-1 R-2"),
        ),
        ([Rule("allow", "shell_exec", id="R-1"), Rule("ask", "*", id="R-2")], "L2", ("ask", "R-2")),
        ([Rule("allow", "shell_exec", id="R-1"), Rule("ask", "*", id="R-2")], "L3", ("refuse", "R-2")),
        ([Rule("allow", "shell_exec", id="R-1")], "L3", ("refuse", "L3")),
    ],
)
def test_the_judgement_names_what_decided(rules: list[Rule], level: Level, expected: tuple[str, str]) -> None:
    judged = judge(act(Subject("shell_exec", (("git", "push"), ("npm", "test")))), level, rules, HERE)
    assert (judged.verdict, judged.rule) == expected


def test_a_rule_for_one_action_allows_exactly_what_its_card_showed() -> None:
    shown = act(Subject("shell_exec", (("git", "push"),)))
    always = Rule("allow", "shell_exec", action=action_digest(shown.proposal), id="R-1")
    assert judge(shown, "L2", [always], HERE).verdict == "allow"
    for other in (
        replace(shown.proposal, arguments={"command": "y"}),
        replace(shown.proposal, facts=(Fact("build.sh", "other content"),)),
        replace(shown.proposal, risk="low"),
    ):
        assert judge(replace(shown, proposal=other), "L2", [always], HERE).verdict == "ask"
    moved = replace(shown, proposal=replace(shown.proposal, session="another"))
    assert judge(moved, "L2", [always], HERE).verdict == "allow"


def test_reasons_are_the_rules_own_words() -> None:
    subject = Subject("shell_exec")
    denied = judge(act(subject), "L2", [Rule("deny", "*", reason="Not on Fridays.", id="R-1")], HERE)
    assert denied == Judgement("refuse", reason="Not on Fridays.", why="rule", rule="R-1")
    unread = judge(act(Subject("shell_exec", understood=False), unsafe="it uses eval"), "L2", [], HERE)
    assert (unread.verdict, unread.reason, unread.rule) == ("ask", "it uses eval", "not understood")


def test_a_level_that_is_none_can_do_nothing_but_read() -> None:
    assert [rule(risk, "L4", sandboxed=True) for risk in RISKS] == ["acts", CANNOT, CANNOT, CANNOT]  # type: ignore[arg-type]
    assert may((), "L2") == dict.fromkeys(RISKS, CANNOT)
