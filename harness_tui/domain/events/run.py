"""Events of a root run: its attempts' fate and its end."""

from __future__ import annotations

from typing import Literal

from ..task import RunSpec
from .base import Event


class RunStarted(Event, frozen=True):
    """A root run exists.

    Attributes:
        may: risk class -> acts | asks | cannot.
        sandbox: kind in force; `sandbox_asked` what was asked for, "" when no tool of the run needs one.
        enforced: what of it was proven (`sandbox.base.Guarantee`); `sandbox_notes` what is missing and why.
        sandboxed: that is enough for L3.
    """

    spec: RunSpec
    may: dict[str, str] = {}
    sandbox: str = "none"
    sandbox_asked: str = ""
    enforced: tuple[str, ...] = ()
    sandbox_notes: tuple[str, ...] = ()
    sandboxed: bool = False


class AttemptLaunched(Event, frozen=True):
    """Attempt `number` was started as child run `child`."""

    number: int
    child: str


class AttemptEnded(Event, frozen=True):
    """The child's outcome as the root keeps it.

    Attributes:
        passed: the verifier's verdict; None when nothing verified the claim.
        fatal: another attempt cannot help.
        interrupted: the world died under it; it does not count against the limit.
        acted: it performed a call that changes something: a destructive one, or one that had to be approved.
        tools: names of its calls in order, `harness_auto_login` included.
    """

    number: int
    passed: bool | None
    reason: str
    stopped_by: str = ""
    claim: str = ""
    exit: int = 0
    fatal: bool = False
    interrupted: bool = False
    acted: bool = False
    tools: tuple[str, ...] = ()


class CancelRequested(Event, frozen=True):
    by: str
    reason: str = ""


class RunFinished(Event, frozen=True):
    """The run is over.

    Attributes:
        verified: the verifier's verdict; None when nothing was to be verified.
        reason: the verifier's or the stopping reason, in words.
        claim: what the model said of its own success, beside the verdict and never instead of it.
        stopped_by: model | guardrail | goal | budget | denied | expired | cancelled | error | verifier.
        exit: process exit code of `run`.
    """

    state: Literal["succeeded", "failed", "cancelled"]
    verified: bool | None
    reason: str
    claim: str
    stopped_by: str
    exit: int
    error: str = ""


class RunReopened(Event, frozen=True):
    """A run that was over goes on: with jobs tried again, or with more to spend."""

    by: str
    reason: str = ""
