"""Loops made up for these tests."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from harness_tui.domain.loop.gate import Proposal
from harness_tui.domain.loop.rows import LoopRow, RoundRow, Scorecard
from harness_tui.domain.loop.spec import Accept, Action, Evidence, Gate, LoopSpec, digest
from harness_tui.domain.task import ModelSpec, TaskFile

SECOND = 1_000_000
DAY = 86_400 * SECOND
NOW = 1_790_000_000 * SECOND

SPEC = LoopSpec(
    name="docs",
    intent="Keep the docs true.",
    maker=TaskFile("Look after the docs."),
    models={"maker": ModelSpec("openai", "m")},
    workspace="/srv/docs",
    level="L2",
    schedule="0 * * * *",
    checker=TaskFile("Check it."),
    action=Action("apply-patch", "commit"),
    gate=Gate("allowlist", ("apply-patch",), ("docs/**", "CHANGELOG.md"), ("docs/private/**",), 3, 100),
    accept=Accept(("make", "check")),
)
GOOD = Proposal("apply-patch", "clean", True, ("docs/a.md", "CHANGELOG.md"), 10, 3, sandboxed=True)


def spec(**fields: Any) -> LoopSpec:
    return replace(SPEC, **fields)


def gated(**fields: Any) -> LoopSpec:
    return replace(SPEC, gate=replace(SPEC.gate, **fields))


def row(of: LoopSpec = SPEC, **fields: Any) -> LoopRow:
    made = LoopRow("l3", of.name, schedule=of.schedule, zone=of.zone, digest=digest(of), level="L2")
    made.added = made.slot = NOW - 20 * DAY
    made.level_since, made.level_why = NOW - 10 * DAY, "added"
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def proven(of: LoopSpec = SPEC, **fields: Any) -> LoopRow:
    """A row with exactly the evidence that is asked for."""
    need = of.promote
    since = Scorecard(rounds=need.rounds, proposals=10, verified=9, approved=need.approved)
    return row(of, since=since, level_since=NOW - int(need.days * DAY), drilled=digest(of), **fields)


def round(number: int = 1, **fields: Any) -> RoundRow:
    made = RoundRow(f"l3/{number}", "l3", number, started=NOW, ended=NOW + SECOND, outcome="reported")
    for name, value in fields.items():
        setattr(made, name, value)
    return made


__all__ = ["DAY", "GOOD", "NOW", "SECOND", "SPEC", "Evidence", "gated", "proven", "round", "row", "spec"]
