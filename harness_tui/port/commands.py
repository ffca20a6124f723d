"""Commands a front end sends and what it gets back. Imperatives; every one is answered or refused with a sentence."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..domain.rules import Rule
from ..domain.task import RunSpec


class Command(msgspec.Struct, frozen=True, tag_field="cmd", omit_defaults=True):
    """Base of all commands."""


class StartRun(Command, frozen=True, tag="start_run"):
    """Start a run; answers its id. `secrets` (name -> value) stay in the engine's memory and are never stored."""

    spec: RunSpec
    secrets: dict[str, str] = {}


class CancelRun(Command, frozen=True, tag="cancel_run"):
    run: str
    by: str
    reason: str = ""


class CancelAll(Command, frozen=True, tag="cancel_all"):
    """The kill switch: every open run is cancelled. Answers how many."""

    by: str
    reason: str = ""


class SetBudget(Command, frozen=True, tag="set_budget"):
    """Limits of an open run (`run:r17`) or of every day (`day`). tokens 0 = none; usd in nano-dollars, None = none."""

    scope: str
    tokens: int
    usd: int | None
    by: str


class SetSecret(Command, frozen=True, tag="set_secret"):
    """Hand the engine a secret for as long as its process lives; it is never stored."""

    name: str
    value: str


class Decide(Command, frozen=True, tag="decide"):
    """Approve or deny; refused when late, twice or with another digest, saying who and when."""

    approval: str
    digest: str
    decision: Literal["approved", "denied"]
    by: str
    reason: str = ""


class Resolve(Command, frozen=True, tag="resolve"):
    """The operator's word on an in-doubt effect."""

    approval: str
    digest: str
    resolution: Literal["happened", "did_not", "again"]
    by: str
    reason: str = ""


class AddRule(Command, frozen=True, tag="add_rule"):
    """Put a rule in force; answers its id, which the engine gives. What `by` the rule names is not heard."""

    rule: Rule
    by: str


class RevokeRule(Command, frozen=True, tag="revoke_rule"):
    rule: str
    by: str


class TrustWorkspace(Command, frozen=True, tag="trust_workspace"):
    """Trust what is interpreted of a directory (absolute, real) as long as its content has this digest."""

    path: str
    digest: str
    by: str


class DistrustWorkspace(Command, frozen=True, tag="distrust_workspace"):
    path: str
    by: str


class StopEngine(Command, frozen=True, tag="stop_engine"):
    """Clean stop: parked and running runs are left for the next engine to continue. now = do not drain."""

    now: bool = False


AnyCommand = (
    StartRun
    | CancelRun
    | CancelAll
    | SetBudget
    | SetSecret
    | Decide
    | Resolve
    | AddRule
    | RevokeRule
    | TrustWorkspace
    | DistrustWorkspace
    | StopEngine
)


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a command came to: `id` of the run or approval, `text` one sentence for a person."""

    id: str = ""
    text: str = ""
