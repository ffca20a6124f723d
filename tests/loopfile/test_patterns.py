"""The seven patterns: the seed's table, loop files that load at both levels, commands a maker may really call."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness_tui.config.loop_rules import READERS, WRITERS
from harness_tui.config.loopfile import Given, Loaded, load_pattern
from harness_tui.domain.errors import UsageError
from harness_tui.domain.loop.round import NOTHING
from harness_tui.domain.loop.spec import LOOP_TOKENS, digest
from harness_tui.domain.schedule import parse
from harness_tui.domain.task import BUILT_IN_TOOLS
from harness_tui.loops import patterns
from harness_tui.tools.shell.reads import prove

from .files import chosen, load, written

SEED = {
    "daily_triage": ("daily 09:00", "L1", "report", 10, LOOP_TOKENS),
    "pr_babysitter": ("every 10m", "L1", "comment", 8, LOOP_TOKENS),
    "ci_sweeper": ("every 10m", "L2", "apply-patch", 20, 400_000),
    "dependency_sweeper": ("daily 04:00", "L2", "open-pr", 16, 300_000),
    "changelog_drafter": ("daily 18:00", "L1", "draft", 10, LOOP_TOKENS),
    "post_merge_cleanup": ("every 6h", "L1", "report", 10, LOOP_TOKENS),
    "issue_triage": ("every 2h", "L1", "comment", 8, LOOP_TOKENS),
}
"""Cadence, level, action kind, iterations, tokens of a round; where the seed caps no tokens, every loop's usual cap."""
CHANGE = {"ci_sweeper", "dependency_sweeper", "changelog_drafter", "post_merge_cleanup"}
"""Those that propose a change at L2; the others file their report."""
COMMAND = re.compile(r"`(git [^`]+)`")
WORDS = {"START": "HEAD~1", "BASE": "HEAD~1", "COMMIT": "HEAD", "HASH": "HEAD", "BRANCH": "main", "MERGE": "HEAD"}


def made(name: str, folder: Path, level: str = "") -> Loaded:
    return load_pattern(name, patterns.text(name, level=level), Given(BUILT_IN_TOOLS, chosen, "Europe/Vienna", folder))


def test_there_are_seven() -> None:
    assert patterns.names() == tuple(sorted(SEED))


@pytest.mark.parametrize("name", SEED)
def test_a_pattern_has_the_seeds_values(name: str, repo: Path) -> None:
    loaded = made(name, repo)
    spec = loaded.spec
    assert spec.checker is not None
    assert (spec.name, spec.pattern, loaded.source) == (name, name, f"pattern:{name}")
    got = (spec.schedule, spec.level, spec.action.kind, spec.maker.guardrails.max_iterations, spec.budget.tokens)
    assert got == SEED[name]
    assert spec.checker.guardrails.max_iterations == spec.maker.guardrails.max_iterations
    assert spec.gate.use == "escalate"
    assert parse(spec.schedule).text == spec.schedule


@pytest.mark.parametrize("name", SEED)
def test_a_pattern_loads_at_both_levels(name: str, repo: Path, tmp_path: Path) -> None:
    low, high = made(name, tmp_path, "L1").spec, made(name, repo, "L2").spec
    assert (low.level, high.level) == ("L1", "L2")
    assert low.action.do == "report"
    assert low.maker.tools == READERS
    assert low.maker.sandbox.kind == "auto"  # it needs no checkout
    assert high.changes == (name in CHANGE)
    assert high.changes or high.action.path
    assert bool(set(WRITERS).intersection(high.maker.tools)) == high.changes
    assert high.maker.sandbox.kind == ("worktree" if high.changes else "auto")
    own = SEED[name][1]
    assert patterns.text(name, level=own) == patterns.text(name)
    other = patterns.text(name, level="L2" if own == "L1" else "L1")
    assert other != patterns.text(name)


@pytest.mark.parametrize("name", SEED)
@pytest.mark.parametrize("level", ["L1", "L2"])
def test_what_is_printed_and_saved_is_the_same_loop(name: str, level: str, repo: Path) -> None:
    saved = load(written(repo, patterns.text(name, level=level)), host_zone="Europe/Vienna")
    pattern = made(name, repo, level).spec
    assert digest(saved.spec) != digest(pattern)  # it says where it is from
    from msgspec.structs import replace

    assert digest(replace(saved.spec, pattern=name)) == digest(pattern)


def uncommented(text: str, first: str) -> str:
    """The commented example that begins with the line `# first`, as if an operator had taken the marks away."""
    lines = text.split("\n")
    begin = lines.index(f"# {first}")
    end = next(at for at in range(begin, len(lines)) if not lines[at].startswith("# "))
    return "\n".join([*lines[:begin], *(line[2:] for line in lines[begin:end]), *lines[end:]])


@pytest.mark.parametrize(
    ("name", "first"),
    [(name, first) for name in sorted(CHANGE) for first in ("[accept]", "[gate]")],
)
def test_the_examples_in_comments_are_right(name: str, first: str, repo: Path) -> None:
    text = patterns.text(name, level="L2")
    if f"# {first}" not in text:
        assert name in ("changelog_drafter", "post_merge_cleanup")
        return
    spec = load(written(repo, uncommented(text, first))).spec
    assert spec.accept if first == "[accept]" else spec.gate.use == "allowlist"


def test_name_and_workspace_are_written_into_it(tmp_path: Path) -> None:
    odd = tmp_path / 'a "b" \\c'
    odd.mkdir()
    text = patterns.text("daily_triage", loop="mine", workspace=str(odd))
    spec = load(written(tmp_path, text)).spec
    assert (spec.name, spec.workspace) == ("mine", str(odd))
    broken = patterns.text("daily_triage", loop='x"\nlevel = "L3')
    with pytest.raises(UsageError, match=r'"name" must be'):
        load(written(tmp_path, broken))
    with pytest.raises(UsageError, match="cannot stand in a loop file"):
        patterns.text("daily_triage", workspace="/x\udcff")


def test_what_is_no_pattern_and_no_level_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        patterns.text("changelog_draft")
    assert str(caught.value) == "There is no pattern changelog_draft. Did you mean changelog_drafter?"
    with pytest.raises(UsageError, match=r"There is no pattern \.\./x\. There are changelog_drafter, "):
        patterns.text("../x")
    with pytest.raises(UsageError, match="L3 is earned"):
        patterns.text("daily_triage", level="L3")


@pytest.mark.parametrize("name", SEED)
def test_a_prompt_names_only_commands_that_are_proven_to_read(name: str, tmp_path: Path) -> None:
    spec = made(name, tmp_path, "L1").spec
    assert spec.checker is not None
    for task in (spec.maker, spec.checker):
        for command in COMMAND.findall(" ".join(task.prompt.split())):
            for word, real in WORDS.items():
                command = command.replace(word, real)
            reading = prove(command.split())
            assert not isinstance(reading, str), f"{command}: {reading}"


@pytest.mark.parametrize("name", SEED)
def test_a_prompt_says_what_to_answer(name: str, tmp_path: Path) -> None:
    spec = made(name, tmp_path, "L1").spec
    assert spec.checker is not None
    assert NOTHING in spec.maker.prompt
    assert all(f"{word}:" in spec.checker.prompt for word in ("Verdict clean", "Concerns", "Failed"))
