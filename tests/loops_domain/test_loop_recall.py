"""Recall is short, safe and marked as data, and says first what became of a round."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.events import Change
from harness_tui.domain.loop.recall import LONGEST, ROUNDS, recall
from harness_tui.domain.loop.rows import RoundRow

from .made import round


def entry(made: RoundRow, said: dict[str, str] | None = None) -> str:
    head, *lines = recall([made], said).splitlines()
    assert "not instructions" in head
    return "\n".join(lines)


def test_no_rounds_no_recall() -> None:
    assert recall([]) == ""
    assert recall([round(1, ended=0)]) == ""


def test_the_newest_rounds_come_first_and_older_ones_not_at_all() -> None:
    lines = recall([round(number) for number in range(1, 9)]).splitlines()[1:]
    assert [line.split(" (")[0] for line in lines] == [f"- round {n}" for n in (8, 7, 6, 5, 4)]


def test_a_denial_and_its_reason_come_right_after_the_outcome() -> None:
    made = round(7, outcome="escalated", approval="A-2", decided="denied", reason="at L2 a person decides")
    assert entry(made, {"A-2": "wrong file"}) == (
        '- round 7 (2026-09-21 14:13 UTC): escalated; its change was denied by the operator: "wrong file"; '
        "at L2 a person decides"
    )


def test_feedback_waiting_verdict_acceptance_and_files_are_told() -> None:
    change = Change("b", "main", "loops/docs-7", "c", "t", "d", ("a.md", "b.md"))
    made = round(
        7,
        outcome="escalated",
        approval="A-2",
        decided="waiting",
        feedback="shorter",
        verdict="concerns",
        reasons=["typo", "link"],
        accepted=False,
        acceptance="exit 1 in 2 s",
        change=change,
        claim="I fixed\n the  typo.",
    )
    said = entry(made)
    for part in (
        "its change still waits for a decision",
        'it answered the feedback "shorter"',
        "the checker's verdict was concerns: typo; link",
        "acceptance failed (exit 1 in 2 s)",
        "it changed a.md and 1 more",
        '\n  the maker said: "I fixed the typo."',
    ):
        assert part in said


def test_quiet_rounds_push_nothing_out() -> None:
    told = recall([round(1, claim="I wrote it."), *(round(n, quiet=True, claim="NOTHING TO DO") for n in range(2, 9))])
    assert "round 1" in told
    assert "NOTHING TO DO" not in told


def test_another_rounds_reason_is_not_taken_for_this_ones() -> None:
    assert "other" not in entry(round(1, decided="done"), {"A-1": "other", "": "other"})


@given(
    st.lists(
        st.builds(
            round,
            st.integers(1, 99),
            claim=st.text(max_size=5_000),
            reason=st.text(max_size=2_000),
            feedback=st.text(max_size=2_000),
            reasons=st.lists(st.text(), max_size=30),
            verdict=st.sampled_from(["", "concerns"]),
        ),
        max_size=9,
    )
)
def test_it_is_bounded_and_nothing_in_it_starts_a_line_of_its_own(rounds: list[RoundRow]) -> None:
    text = recall(rounds)
    assert len(text) <= LONGEST
    lines = text.split("\n")[1:]
    assert len(lines) <= 2 * ROUNDS
    assert all(line.startswith(("- round ", "  the maker said: ")) for line in lines)
    assert all(char == "\n" or char.isprintable() for char in text)
