"""The planner's tool: a change of a graph's plan in a form that a machine reads."""

from __future__ import annotations

from typing import Any

import msgspec

from ..domain.dag.patch import Patch
from .box import Toolbox
from .tool import tool


class PlanBox(Toolbox):
    @tool(risk="read_only")
    def plan(
        self,
        add: list[dict[str, Any]] = [],  # noqa: B006 - never changed
        replace: list[dict[str, Any]] = [],  # noqa: B006 - never changed
        drop: list[str] = [],  # noqa: B006 - never changed
        reason: str = "",
        done: bool = False,
    ) -> str:
        """Say how the plan is to change, or that nothing is left to do. Given several times, the last one counts.

        Args:
            add: new jobs. One job is {"id": ..., "deps": [ids], and one of "prompt", "tool", "command", "call", "wait",
                "gate", "verify"}.
            replace: jobs in the place of those with the same id that have not begun.
            drop: ids of jobs that have not begun.
            reason: why, in one sentence; people read it.
            done: nothing more will be wanted once the plan, changed so, has been worked off.
        """
        patch = msgspec.convert({"add": add, "replace": replace, "drop": drop, "reason": reason, "done": done}, Patch)
        last = ", and nothing more after that" if patch.done else ""
        return f"Noted: {len(patch.add)} to add, {len(patch.replace)} to replace, {len(patch.drop)} to drop{last}."
