"""What a level lets tools do: the table behind `may` in every run's row and behind every static judgement."""

from __future__ import annotations

from collections.abc import Sequence

from .messages import RISKS, Risk, ToolSpec
from .task import Level

ACTS, ASKS, CANNOT = "acts", "asks", "cannot"


def rule(risk: Risk, level: Level, *, sandboxed: bool = False) -> str:
    """acts | asks | cannot for one risk class.

    L1 reads. L2 asks for each consequential action. L3 never asks: without an enforced sandbox it cannot.
    """
    if risk == "read_only":
        return ACTS
    if level == "L1":
        return CANNOT
    if risk == "idempotent":
        return ACTS
    if level == "L2":
        return ASKS
    return ACTS if sandboxed else CANNOT


def may(tools: Sequence[ToolSpec], level: Level) -> dict[str, str]:
    """risk class -> acts | asks | cannot; a class no tool of the run has is `cannot`."""
    present = {t.risk for t in tools}
    return {risk: rule(risk, level) if risk in present else CANNOT for risk in RISKS}
