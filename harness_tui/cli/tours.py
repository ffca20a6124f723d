"""What a tour of the demo starts, and what `--yes` may decide in it; for the verb and for the console's `:demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ..config.paths import Paths
    from ..domain.loop.rows import LoopRow
    from ..domain.task import RunSpec
    from ..domain.views import ApprovalRow
    from ..port.commands import StartDag, StartRun

UPVOTE, LOOPS, DAG = NAMES = ("upvote", "loops", "dag")


def command(paths: Paths, name: str = "upvote") -> StartRun | StartDag:
    """What starts the tour of this name, where that is one command. Raises UsageError for another name."""
    if name == DAG:
        from . import demo_dag

        return demo_dag.command()
    return upvote(paths, name)


def upvote(paths: Paths, name: str = "upvote", *, stage: int | None = None, variant: str = "normal") -> StartRun:
    """The run of the tour upvote, on a fresh site. Raises UsageError for another name."""
    from ..demo import tour
    from ..domain.errors import UsageError
    from ..port.commands import StartRun

    if name not in ("", UPVOTE):
        raise UsageError(f'There is no demo "{name}".', f"Choose one of: {', '.join(NAMES)}.")
    tour.cleanup_old(paths)
    return StartRun(tour.prepare(paths, stage=stage, variant=variant))


def browser_in_sight() -> bool:
    """Whether a browser and what its driver needs are installed: a look, no start, so that the console comes at once.

    What a look cannot see, the run meets and says itself.
    """
    import ctypes
    import importlib.util

    from ..tools.browser import chromium

    try:
        ctypes.CDLL("libatomic.so.1")
    except OSError:
        return False
    return importlib.util.find_spec("playwright") is not None and bool(chromium.find())


def may_approve(row: ApprovalRow, spec: RunSpec) -> bool:
    """Whether `--yes` may decide this: the task's own `[approve]` click, on the demo's own loopback site."""
    from urllib.parse import urlsplit

    loopback = urlsplit(spec.task.start_url).hostname in ("127.0.0.1", "::1", "localhost")
    return bool(loopback and spec.service and row.kind == "action" and row.selector)


def may_approve_change(row: ApprovalRow, loop: LoopRow | None, repo: Path) -> bool:
    """Whether `--yes` may decide this: the change of a demo's own loop, as it is, on the repository made for it."""
    from ..demo import loops

    change = row.kind == "change" and row.change and not row.edited
    return bool(change and loop and loops.ours(loop) and loop.workspace == str(repo))


def may_approve_step(row: ApprovalRow) -> bool:
    """Whether `--yes` may decide this, of a run of `demo dag`: its own gate, and its planner's plan to publish."""
    from ..demo import dag

    facts = {fact.label: fact.value for fact in row.facts}
    if row.kind == "plan":
        return (facts.get("by"), facts.get("jobs"), facts.get("drops")) == ("planner", ", ".join(dag.PUBLISHING), None)
    return row.kind == "gate" and facts.get("job") == dag.SIGN_OFF
