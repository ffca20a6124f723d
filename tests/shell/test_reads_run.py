"""Proven reads are run for real in a checkout made of traps: nothing in it changes and nothing of it is started."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from harness_tui.tools.shell.executables import find
from harness_tui.tools.shell.programs import TABLE
from harness_tui.tools.shell.reads import Reading, prove

from .benign import COMMANDS
from .calls import calls
from .hostile import Checkout

UNSAFE_TO_TRY = {"date", "hostname"}
"""Were the proof wrong, these would set this machine's clock and name. Their rules are tested by words alone."""
EXECUTABLES = {name: found.real for name in TABLE if (found := find(TABLE[name].name))}
"""As the caller pins them: a version manager's script on the operator's PATH is none of them."""
INSTALLED = sorted(EXECUTABLES.keys() - UNSAFE_TO_TRY)
GROUPS = {name: [name] for name in ("git", "rg", "find", "sed")} | {"others": [n for n in INSTALLED if n != "git"]}
Where = Callable[[str], str]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("hostile"))


def tried(checkout: Checkout, words: list[str]) -> bool:
    """Whether it was proven; then it was run, too."""
    found = prove(words, strict=False)
    if isinstance(found, str) or any(path.startswith("/") or ".." in path for path in found.paths):
        return False
    checkout.read(EXECUTABLES[found.program], found)
    assert not (harm := checkout.harm()), f"{shlex.join(words)} ran as {shlex.join(found.words)}: {harm}"
    return True


@pytest.mark.parametrize("trap", ["git diff", "git log -p", "git status", "git show", "git log -1", "rg one"])
def test_the_traps_work_on_whoever_is_not_hardened(trap: str, tmp_path: Path, program: Where) -> None:
    checkout = Checkout(tmp_path)
    words = shlex.split(trap)
    checkout.run(program(words[0]), words, {})
    assert checkout.harm()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("names", GROUPS.values(), ids=GROUPS)
def test_no_spelling_of_a_proven_read_changes_or_starts_anything(names: list[str], checkout: Checkout) -> None:
    count: Counter[bool] = Counter()

    @settings(
        max_examples=120, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None
    )
    @given(calls(names))
    def run(words: list[str]) -> None:
        count[tried(checkout, words)] += 1

    run()
    assert count[True] >= 10, "too few were accepted to mean something"


@pytest.mark.timeout(300)
def test_everyday_reads_run_among_the_traps(checkout: Checkout) -> None:
    everyday = [words for words in map(shlex.split, COMMANDS) if words[0] in INSTALLED]
    ran = [words for words in everyday if tried(checkout, words)]
    assert len(ran) >= 150


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("git log --oneline", "signed"),
        ("git log -p -- a.txt", "+two"),
        ("git diff -- sub", "+changed"),
        ("git diff -- '*.txt'", "+changed"),
        ("git status --short", " M sub/c.txt"),
        ("git ls-files '*.py'", "src/b.py"),
        ("git grep -n return", "src/b.py:2:"),
        ("git blame a.txt", "one"),
        ("git branch --merged", "main"),
        ("git shortlog -sn", "A"),
        ("git tag -l", ""),
        ("git stash list", ""),
        ("git worktree list", "[main]"),
        ("git --version", "git version"),
        ("rg -n one", "a.txt:1:one"),
        ("grep -R changed .", "./sub/c.txt:changed"),
        ("egrep -n 'o(n|x)e' a.txt", "1:one"),
        ("sed -n '2,$p' a.txt", "two"),
        ("find . -name '*.py' -type f", "./src/b.py"),
        ("tail -1 a.txt", "second\n"),
        ("sort -ru a.txt", "two\n"),
        ("jq -c .name data.json", "[1]"),
        ("xxd -p -l 3 a.txt", "6f6e65"),
        ("ps aux --sort=-pid", "PID"),
        ("diff -r src src", ""),
        ("printf '%s-%d' a 1", "a-1"),
    ],
)
def test_a_read_written_anew_still_says_what_was_asked(command: str, shown: str, checkout: Checkout) -> None:
    found = prove(shlex.split(command), strict=False)
    assert isinstance(found, Reading), found
    said = checkout.read(EXECUTABLES[found.program], found)
    assert shown in said, said
    assert not any(word in said for word in ("usage:", "fatal:", "error:", "Try '"))
