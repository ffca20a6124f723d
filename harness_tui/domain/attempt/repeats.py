"""The same call again and again: the model is told once, then the loop stops. Refused and failed ones count too."""

from __future__ import annotations

from collections.abc import Iterable

from .state import Call

NUDGE_AT = 3
STOP_AT = 6
"""How many times in a row the same tool may be asked for with the same arguments; the last one is not performed."""


def nudge(calls: Iterable[Call]) -> str:
    """What the model is told when a call of this batch was its third in a row, or ""."""
    again = next((call for call in calls if call.times == NUDGE_AT), None)
    if again is None:
        return ""
    return (
        f"You asked for exactly this call of {again.call.name} {NUDGE_AT} times in a row. "
        "Once more will not help: try something else, or say what stops you."
    )


def stopped(call: Call) -> str:
    """Why the loop ends."""
    return f"{call.call.name} was asked for with the same arguments {call.times} times in a row"
