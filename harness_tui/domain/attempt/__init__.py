"""One attempt as a state machine: the 8-step loop without I/O, so that a crash can continue it from its last event.

`decide(state, input) -> events`, `evolve(state, event)` in place, `pending(state) -> effect`. All events of one input
are one append; the effect starts after its commit; recovery is `pending` of the folded state.
"""

from .decide import decide
from .pending import (
    AskModel,
    AwaitDecision,
    Begin,
    ClearTurn,
    Effect,
    Finish,
    Judge,
    Open,
    Perform,
    RaiseDoubt,
    Sense,
    Verify,
    pending,
)
from .state import AttemptState, Call, carry, evolve

__all__ = [
    "AskModel",
    "AttemptState",
    "AwaitDecision",
    "Begin",
    "Call",
    "ClearTurn",
    "Effect",
    "Finish",
    "Judge",
    "Open",
    "Perform",
    "RaiseDoubt",
    "Sense",
    "Verify",
    "carry",
    "decide",
    "evolve",
    "pending",
]
