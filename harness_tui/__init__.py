"""harness-tui: a terminal console for autonomous agents and the engine under it. Names are imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .agent.loop import AgentLoop, Task, World
    from .domain.dag.graph import Dag
    from .domain.dag.spec import Job, Limits, PlannerSpec, Retry, Route
    from .domain.loop.spec import LoopSpec
    from .models.api import ApiKind
    from .orchestrator.api import Orchestrator
    from .tools.tool import tool

__version__ = "0.1.0"
__all__ = [
    "AgentLoop",
    "ApiKind",
    "Dag",
    "Job",
    "Limits",
    "LoopSpec",
    "Orchestrator",
    "PlannerSpec",
    "Retry",
    "Route",
    "Task",
    "World",
    "tool",
]

_HOMES = {
    "AgentLoop": ".agent.loop",
    "Task": ".agent.loop",
    "World": ".agent.loop",
    "ApiKind": ".models.api",
    "Dag": ".domain.dag.graph",
    **dict.fromkeys(("Job", "Limits", "PlannerSpec", "Retry", "Route"), ".domain.dag.spec"),
    "LoopSpec": ".domain.loop.spec",
    "Orchestrator": ".orchestrator.api",
    "tool": ".tools.tool",
}


def __getattr__(name: str) -> object:
    """Import a public name from its home when it is first used, so that `--help` pays for none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name], __name__), name)
