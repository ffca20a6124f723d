"""The stand-in's changelogs: nothing is lost from a file, nothing is in an entry that no commit says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.demo.changelog import HEADINGS, Commit, commits, entries, heading, line, merged, unfounded

SUBJECTS = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), min_size=1, max_size=40).map(str.strip)
COMMITS = st.lists(st.builds(Commit, st.from_regex(r"[0-9a-f]{7}", fullmatch=True), SUBJECTS.filter(bool)), max_size=6)


@pytest.mark.parametrize(
    ("subject", "under"),
    [
        ("Add a count of lines", "Added"),
        ("feat(cli): count lines", "Added"),
        ("Fix: the count of an empty file", "Fixed"),
        ("fix!: an empty file", "Fixed"),
        ("Rename --quiet to --silent", "Changed"),
        ("words: correct the count", "Fixed"),
        ("test: more cases", ""),
        ("Merge branch 'old'", ""),
        ("demo-tidy: Tidy notes/setup.txt: no spaces at line ends", ""),
        ("demo-changelog: Changelog: 4 entries, 1a2b3c4..5d6e7f8", ""),
        ("...", ""),
    ],
)
def test_the_first_word_says_the_heading(subject: str, under: str) -> None:
    assert heading(subject) == under


def test_a_log_is_read_line_by_line_and_the_rest_is_left_out() -> None:
    assert commits("1a2b3c4\tAdd a thing\nnot a line\n5d6e7f8\t\n") == [Commit("1a2b3c4", "Add a thing")]


def test_entries_are_the_oldest_first_and_not_what_is_there_already() -> None:
    log = [Commit("ccccccc", "add three"), Commit("bbbbbbb", "Fix two"), Commit("aaaaaaa", "feat: one")]
    assert entries(log) == {"Added": ["One (aaaaaaa)", "Add three (ccccccc)"], "Fixed": ["Fix two (bbbbbbb)"]}
    assert entries(log, known="### Fixed\n- Fix two\n") == {"Added": ["One (aaaaaaa)", "Add three (ccccccc)"]}
    assert entries(log, without="three") == {"Added": ["One (aaaaaaa)"], "Fixed": ["Fix two (bbbbbbb)"]}


NEW = {"Added": ["B (2222222)"], "Fixed": ["C (3333333)"]}


@pytest.mark.parametrize(
    ("old", "text"),
    [
        (["# Changelog"], "# Changelog||## Unreleased||### Added|- B (2222222)||### Fixed|- C (3333333)"),
        (
            ["# Changelog", "", "## 1.0", "### Added", "- A"],
            "# Changelog||## Unreleased||### Added|- B (2222222)||### Fixed|- C (3333333)||## 1.0|### Added|- A",
        ),
        (
            ["# Changelog", "", "## [Unreleased]", "", "### Added", "- A", "", "## 1.0", "### Fixed", "- Z"],
            "# Changelog||## [Unreleased]||### Added|- A|- B (2222222)||### Fixed|- C (3333333)||## 1.0|### Fixed|- Z",
        ),
    ],
    ids=["none yet", "released", "unreleased"],
)
def test_entries_go_under_unreleased(old: list[str], text: str) -> None:
    before, after = merged(old, NEW)
    assert old[: len(before)] == before
    assert "|".join([*after, *old[len(before) :]]) == text


@given(
    st.lists(st.sampled_from(["# Changelog", "", "## Unreleased", "## 1.0", "### Added", "### Fixed", "- A", "text"])),
    COMMITS,
)
def test_no_old_line_is_lost_or_moved_past_another(old: list[str], log: list[Commit]) -> None:
    new = entries(log)
    before, after = merged(old, new)
    assert old[: len(before)] == before
    rest = iter(after)
    assert all(each in rest for each in before), "a subsequence"
    assert {f"- {each}" for lines in new.values() for each in lines} <= {*after}


@given(COMMITS)
def test_what_rests_on_the_log_is_found_there_and_anything_else_is_not(log: list[Commit]) -> None:
    said = [each for name in HEADINGS for each in entries(log).get(name, [])]
    assert unfounded(said, log) == []
    invented = "Entirely made up by nobody at all, whatever the log says (0000000)"
    assert unfounded([invented], log)


def test_a_line_on_another_commit_than_it_names_is_unfounded() -> None:
    log = [Commit("bbbbbbb", "Fix two"), Commit("aaaaaaa", "Add one")]
    assert unfounded([line(log[0])], log) == []
    assert unfounded(["Fix two (aaaaaaa)"], log) == ['"Fix two" is not what aaaaaaa says.']
