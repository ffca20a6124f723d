"""Jobs for tests of executors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness_tui.domain.loop.spec import Action, LoopSpec
from harness_tui.domain.task import SandboxTable, TaskFile
from harness_tui.loops.executors import Job

AT = 1_763_735_400_000_000
"""2025-11-21 14:30 UTC, the 22nd in Auckland."""


def spec(workspace: Path, kind: Any = "worktree", **action: Any) -> LoopSpec:
    return LoopSpec(
        name="tidy",
        intent="Keep things tidy.",
        maker=TaskFile(prompt="Tidy up.", sandbox=SandboxTable(kind=kind)),
        models={},
        workspace=str(workspace),
        zone="Pacific/Auckland",
        action=Action(**action),
    )


def job(workspace: Path, home: Path, *, given: dict[str, Any] | None = None, **action: Any) -> Job:
    """`action`: its fields; `given`: further fields of the job."""
    return Job(
        spec=spec(workspace, **action),
        round="l3/214",
        workspace=workspace,
        home=home,
        digest="d" * 64,
        at=AT,
        **{"report": "all is well", "outcome": "approved", "summary": "a.txt +1 -0", **(given or {})},
    )
