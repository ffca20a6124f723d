"""Setting up `demo loops`: a git repository of its own, and three loops that work on it, one at each level.

demo-tidy fires first and acts alone on what its allow-list names; after it has, main stands still, so that the change
demo-changelog proposes can be approved as it was shown. It is added last, right before it is raised.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..domain.errors import SetupError
from ..domain.loop.rows import LoopRow
from ..domain.loop.spec import Accept, Action, Caps, Evidence, Gate, LoopSpec
from ..domain.task import Guardrails, ModelSpec, SandboxTable, TaskFile
from ..sandbox import child
from .project import BRANCH, HISTORY

TRIAGE, CHANGELOG, TIDY = "demo-triage", "demo-changelog", "demo-tidy"
SOURCE = "pattern:demo"
"""What stands for the file they were added from."""
NAME = "words"

_READ = ("read_file", "list_dir", "grep", "shell_read")
_WRITE = (*_READ, "write_file", "edit_file")
_MODEL = ModelSpec(api="stand-in", model="stand-in")
_AUTHOR = ("Demo", "demo@harness-tui.invalid")
_PREFIX = "harness-tui-demo-"
_DAY = 24 * 3600
_SECONDS = 60.0


class DemoLoops(NamedTuple):
    """Attributes: loops: as they are added, at L1 and L2; promoted: the one that is to be raised to L3 then."""

    repo: Path
    base: str
    loops: tuple[LoopSpec, ...]
    promoted: str = TIDY


def prepare() -> DemoLoops:
    """A fresh repository and its loops; nothing is registered. Raises SetupError without git or room for it.

    It lies among temporary files: the program's own folder is no workspace, and hidden from all children of tools.
    """
    try:
        repo = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve() / NAME
        base = _repository(repo)
    except OSError as error:
        raise SetupError(
            f"The demo cannot make a repository: {error.strerror}.", "It needs git, and room in TMPDIR."
        ) from None
    return DemoLoops(repo, base, (_triage(repo), _changelog(repo), _tidy(repo)))


def ours(row: LoopRow) -> bool:
    """Whether a demo added this loop."""
    return row.source == SOURCE


def cleanup_old(rows: Iterable[LoopRow], *, now: float | None = None) -> int:
    """Remove the repositories of removed demo loops that were added a day ago; how many went. `now` in seconds."""
    now = time.time() if now is None else now
    old = {Path(row.workspace).parent for row in rows if ours(row) and row.state == "removed" and _aged(row, now)}
    found = [folder for folder in old if folder.name.startswith(_PREFIX) and folder.is_dir()]
    for folder in found:
        shutil.rmtree(folder, ignore_errors=True)
    return len(found)


def _aged(row: LoopRow, now: float) -> bool:
    return now - row.added / 1_000_000 > _DAY


# -- the loops ----------------------------------------------------------------------------------------------------


def _loop(repo: Path, maker: str, checker: str, tools: tuple[str, ...], **more: Any) -> LoopSpec:
    table = SandboxTable(kind="worktree")
    turns = Guardrails(max_iterations=10)
    return LoopSpec(
        maker=TaskFile(prompt=maker, tools=tools, sandbox=table, guardrails=turns),
        checker=TaskFile(prompt=checker, tools=_READ, sandbox=table, guardrails=turns),
        models={"maker": _MODEL, "checker": _MODEL},
        workspace=str(repo),
        budget=Caps(tokens=60_000, day_tokens=1_000_000),
        promote=Evidence(rounds=0, verified=0.0, approved=0, max_bad=100, days=0.0),
        **more,
    )


def _triage(repo: Path) -> LoopSpec:
    return _loop(
        repo,
        "Report what work left behind: TODO and FIXME marks, branches that are merged. What you reported before is no "
        "news.",
        "Is every TODO where the report says?",
        _READ,
        name=TRIAGE,
        intent="Tell in the morning what was left lying about.",
        level="L1",
        schedule="every 10s",
    )


def _changelog(repo: Path) -> LoopSpec:
    return _loop(
        repo,
        "Draft the changelog entries for the commits since CHANGELOG.md was written last, under Added, Changed and "
        "Fixed, and put them under Unreleased. Touch nothing else.",
        "Does every changelog entry rest on a commit, and is nothing else changed?",
        _WRITE,
        name=CHANGELOG,
        intent="Tell users what changed, so that a release needs no archaeology in the log.",
        level="L2",
        schedule="every 18s",
        action=Action(kind="draft", do="commit"),
        accept=Accept(argv=("grep", "-q", "^## Unreleased$", "CHANGELOG.md"), deadline=60.0),
    )


def _tidy(repo: Path) -> LoopSpec:
    return _loop(
        repo,
        "Take away whitespace at line ends in `notes/*.txt`, one file a round. Touch nothing else.",
        "Does the change take away whitespace, and nothing else?",
        _WRITE,
        name=TIDY,
        intent="Keep the notes free of stray spaces.",
        level="L2",
        schedule="every 6s",
        action=Action(kind="tidy", do="commit"),
        gate=Gate(use="allowlist", kinds=("tidy",), paths=("notes/*.txt",), max_files=1, max_lines=40),
    )


# -- the repository -----------------------------------------------------------------------------------------------


def _repository(repo: Path) -> str:
    """A history of a few days on main, and a merged branch that nobody removed; answers its newest commit."""
    repo.mkdir()
    _git(repo, "init", "-q", "-b", "main", "--template=")
    start = int(time.time()) - len(HISTORY) * _DAY
    for number, (subject, files) in enumerate(HISTORY):
        for name, text in files.items():
            (repo / name).parent.mkdir(exist_ok=True)
            (repo / name).write_text(text, encoding="utf-8")
        _git(repo, "add", "--", *files)
        _git(repo, "commit", "-q", "-m", subject, at=start + number * _DAY)
    _git(repo, "branch", BRANCH, "HEAD~1")
    return _git(repo, "rev-parse", "HEAD")


def _git(repo: Path, *words: str, at: int = 0) -> str:
    """Git without anybody's configuration, hooks or keys. Raises OSError with git's own words."""
    name, mail = _AUTHOR
    who = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", mail))
    }
    when = {f"GIT_{role}_DATE": f"@{at} +0000" for role in ("AUTHOR", "COMMITTER")} if at else {}
    env = child.clean(Path("/nonexistent"), Path("/tmp"), {"GIT_CONFIG_GLOBAL": "/dev/null", **who, **when})
    off = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false", "-c", "gc.auto=0")
    try:
        done = subprocess.run(["git", *off, *words], cwd=repo, env=env, capture_output=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise OSError(0, f"git {words[0]} did not end") from None
    if done.returncode:
        raise OSError(0, f"git {words[0]}: {done.stderr.decode(errors='replace').strip()[:200]}")
    return done.stdout.decode().strip()
