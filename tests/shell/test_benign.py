"""Everyday reads run without a question: the share that does not is counted over a fixed list of 300."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest

from harness_tui.tools.shell.reads import Reading, prove

from .benign import COMMANDS, rate

MOST = 0.15


def test_at_most_fifteen_in_a_hundred_everyday_reads_are_asked_about(
    record_property: Callable[[str, object], None],
) -> None:
    assert len(COMMANDS) == len(set(COMMANDS)) == 300
    share, reasons = rate(strict=False)
    record_property("everyday reads asked about", f"{share:.1%}")
    print(f"{len(reasons)} of {len(COMMANDS)} everyday reads are asked about ({share:.1%})")
    assert share <= MOST, "\n".join(f"{command}: {reason}" for command, reason in reasons.items())


def test_what_is_refused_as_words_alone_shows_that_a_shell_was_meant() -> None:
    asked, refused = (rate(strict=strict)[1] for strict in (False, True))
    beside = refused.keys() - asked.keys()
    assert beside and all("An argument holds" in refused[command] for command in beside)


@pytest.mark.parametrize(
    "command",
    [
        "ls",
        "cat a b",
        "head -n 3 f",
        "tail -n +5 f",
        "wc -l f",
        "grep -rn foo src",
        "rg -n pattern",
        "stat -c %s f",
        "du -sh .",
        "git status",
        "git log --oneline",
        "git show HEAD",
        "git diff HEAD~1 -- path",
        "git ls-files",
        "git blame f",
        "git rev-parse HEAD",
        "sed -n 1,5p f",
        "echo 'rm -rf /'",
    ],
)
def test_the_reads_everybody_needs_are_proven_as_words_without_a_shell(command: str) -> None:
    assert isinstance(prove(shlex.split(command)), Reading)
