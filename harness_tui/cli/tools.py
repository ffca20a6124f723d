"""`harness-tui tools`: every tool a run could have here, what it may do at each level, and why one is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import output
from .output import Format, format_option

if TYPE_CHECKING:
    from ..domain.messages import ToolSpec
    from ..tools.plugins import Found

BUILT_IN = "built-in"
BY_RULE = "by rule"


@click.group()
def tools() -> None:
    """List tools: built-in ones, those of installed packages, those of a trusted workspace."""


@tools.command("list")
@click.option("--workspace", type=click.Path(path_type=Path), help="Whose plug-ins (default: here).")
@format_option
def list_tools(workspace: Path | None, output_format: Format) -> None:
    """List every tool: its risk, what it does at L1, L2 and L3, and where it is from.

    `acts` runs at once, `asks` waits for an approval, `cannot` is refused; `by rule` acts inside an enforced sandbox
    where a rule of yours lists it. A single call proven to read runs at every level.
    """
    import os

    from ..engine.catalogue import plugins
    from .rehearse import rehearsal

    folder = os.path.realpath(workspace or ".")
    with rehearsal() as trial:
        rows = [*_built_in(trial.specs(folder)), *_plugged(plugins(folder, trial.trusts))]
    if output_format is not Format.text:
        output.emit(rows)
        return
    heads = ("NAME", "RISK", "L1", "L2", "L3", "DEADLINE", "FROM", "")
    output.table(heads, (_cells(row) for row in rows))


def _built_in(specs: dict[str, ToolSpec]) -> list[dict[str, Any]]:
    from ..domain.task import BUILT_IN_TOOLS

    return [_row(name, BUILT_IN, specs.get(name), _missing(name, specs)) for name in BUILT_IN_TOOLS]


def _missing(name: str, specs: dict[str, ToolSpec]) -> str:
    """Why a built-in tool cannot be had, or ""."""
    from importlib.util import find_spec

    from ..domain.task import BROWSER_TOOLS

    if name in BROWSER_TOOLS and find_spec("playwright") is None:
        return 'the extra "browser" is not installed; see: harness-tui doctor'
    return "" if name in specs else "not in this installation"


def _plugged(found: Found) -> list[dict[str, Any]]:
    whole = [_row(each.tool.spec.name, each.origin, each.tool.spec) for each in found.tools]
    return [*whole, *(_row("", problem.origin, None, problem.text) for problem in found.problems)]


def _row(name: str, origin: str, spec: ToolSpec | None, why_not: str = "") -> dict[str, Any]:
    from ..domain.policy import ASKS, rule

    levels: dict[str, str] = {}
    if spec and not why_not:
        levels = {level: rule(spec.risk, level, sandboxed=True) for level in ("L1", "L2", "L3")}
        if levels["L2"] == ASKS:
            levels["L3"] = BY_RULE
    return {
        "name": name or None,
        "risk": spec.risk if spec else None,
        "deadline": spec.deadline if spec else None,
        "from": origin,
        "available": not why_not,
        "why_not": why_not or None,
        "levels": levels,
        "description": spec.description if spec else None,
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    levels = [row["levels"].get(level, "-") for level in ("L1", "L2", "L3")]
    deadline = f"{row['deadline']:g} s" if row["deadline"] else "-"
    return row["name"] or "-", row["risk"] or "-", *levels, deadline, row["from"], row["why_not"] or ""
