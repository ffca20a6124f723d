"""Gates that are code: `module:function` of an installed module, asked in a thread that nobody waits for too long.

The function gets the `Proposal` and answers "proceed", "escalate" or ("escalate", reason). It can only say no to more:
`domain.loop.gate.decide` asks it last, at L3, about what is verified and what nothing else speaks against.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import re
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..domain.errors import UsageError
from ..domain.loop.gate import Decide, Proposal, decide
from ..domain.loop.spec import LoopSpec
from ..domain.rules import Rule, Where, in_force

DEADLINE = 5.0
"""Seconds the function has, the first time with the import of its module."""
LONGEST = 500
"""Characters of its reason."""
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_FORM = 'It answers "proceed", "escalate" or ("escalate", reason)'


def gate(spec: LoopSpec, rules: Sequence[Rule] = (), *, now: int = 0) -> Decide:
    """The whole gate of a loop: kit of a round and subject of a drill. Never raises, nor does what it returns.

    It may take DEADLINE seconds where `gate.use` is code: call it off the event loop then.

    Args:
        rules: the operator's, as they stand; those not in force in the loop's workspace (now: us) are left out.
    """
    where = Where(spec.workspace, now=now)
    held = tuple(each for each in rules if in_force(each, where))
    asked = Code(spec.gate.use, spec.workspace) if ":" in spec.gate.use else None
    return partial(decide, rules=held, asked=asked)


def load(use: str, workspace: str) -> Callable[[Proposal], Any]:
    """The function behind `module:function`. Imports the module.

    Raises UsageError when it cannot be had, or when it would come out of the workspace: an agent may have written it.
    """
    if not _NAME.fullmatch(use):
        raise UsageError(f'The gate "{use[:80]}" is no function.', "Write `module:function` of an installed module.")
    module, _, name = use.partition(":")
    try:
        _outside(module.partition(".")[0], workspace)
        found = getattr(importlib.import_module(module), name)
    except UsageError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"[:LONGEST]
        raise UsageError(
            f"The gate {use} cannot be loaded: {said}.", "Install its module beside this program."
        ) from error
    if not callable(found) or inspect.iscoroutinefunction(found):
        raise UsageError(f"The gate {use} is no plain function.", f"{_FORM}, and is not async.")
    return found  # type: ignore[no-any-return]


def _outside(top: str, workspace: str) -> None:
    """Refuse a module whose files lie in the workspace, before any line of it runs."""
    found = importlib.util.find_spec(top)
    places = [] if found is None else [*(found.submodule_search_locations or ()), found.origin or ""]
    root = Path(os.path.realpath(workspace)) if workspace else None
    if root and any(Path(os.path.realpath(each)).is_relative_to(root) for each in places if os.path.isabs(each)):
        raise UsageError(
            f"The module {top} lies in the loop's workspace.", "A gate is installed where no agent writes."
        )


class Code:
    """One gate function. A call that never ends leaves its thread behind, and no other is begun meanwhile."""

    def __init__(self, use: str, workspace: str, *, deadline: float = DEADLINE) -> None:
        self._use = use
        self._workspace = workspace
        self._deadline = deadline
        self._thread: threading.Thread | None = None

    def __call__(self, proposal: Proposal) -> str:
        """Why the proposal must not go on by itself, or "". Never raises."""
        if self._thread and self._thread.is_alive():
            return f"{self._use} has not answered about an earlier proposal"
        answers: list[str] = []
        self._thread = threading.Thread(
            target=lambda: answers.append(self._answer(proposal)), name=f"gate {self._use}", daemon=True
        )
        self._thread.start()
        self._thread.join(self._deadline)
        # Read once: what it says after its time is over is no answer.
        said = tuple(answers)
        return said[0] if said else f"{self._use} gave no answer in {self._deadline:g} s"

    def _answer(self, proposal: Proposal) -> str:
        try:
            answer = load(self._use, self._workspace)(proposal)
        except UsageError as error:
            return str(error)
        except BaseException as error:  # SystemExit of somebody's code must not pass for an answer
            return f"{self._use} raised {type(error).__name__}: {error}"[:LONGEST]
        return self._read(answer)

    def _read(self, answer: Any) -> str:
        if type(answer) is str and answer == "proceed":
            return ""
        if type(answer) is str and answer == "escalate":
            return f"{self._use} escalates"
        pair = type(answer) is tuple and len(answer) == 2 and all(type(each) is str for each in answer)
        if pair and answer[0] == "escalate":
            return f"{self._use}: {answer[1][:LONGEST] or 'escalates'}"
        return f"{self._use} answered {type(answer).__name__}, which is neither yes nor no"
