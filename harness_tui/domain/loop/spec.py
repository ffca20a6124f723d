"""What a loop is: the tables of a loop file, and the pinned spec that is made of them when an operator adds it."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from ..task import Guardrails, Level, ModelSpec, ModelTable, SandboxTable, TaskFile

Overlap = Literal["skip", "queue", "cancel"]
"""A slot comes while a round runs: it is skipped, fires once the round has ended (one at most), or ends the round."""
Missed = Literal["skip", "one", "all"]
"""Slots that nobody was there for: rows alone, the newest of them fires, or all (at most `missed_limit`)."""
Does = Literal["report", "patch", "commit", "command", "webhook", "call"]

LOOP_TOKENS = 200_000
CHANGE_LIFE = 14 * 24 * 3600.0
"""Seconds a loop's change waits for its decision."""
FASTEST = 60
"""Seconds between slots, unless an operator adds the loop with `--fast`."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of a loop file: an unknown key is refused, never ignored."""


class Caps(_Table, frozen=True):
    """`[budget]`: of one round, maker and checker together, and of a day; tokens 0 and usd None: no limit."""

    tokens: int = LOOP_TOKENS
    usd: float | None = None
    day_tokens: int = 0
    day_usd: float | None = None


class Worker(_Table, frozen=True):
    """`[maker]` and `[checker]`: a prompt, or a task file beside the loop file (then nothing else is given here).

    Attributes:
        tools: names; of the checker and at L1 only those proven to read are offered.
        max_iterations: 0 = as in a task file.
    """

    prompt: str = ""
    task: str = ""
    tools: tuple[str, ...] = ()
    max_iterations: int = 0
    model: ModelTable | None = None


class Action(_Table, frozen=True):
    """`[action]`: what follows when the gate or the operator says yes.

    Attributes:
        kind: the word the allow-list names, for example `apply-patch`.
        do: the executor. report: file the report; patch: apply the change to the workspace; commit: put it on a
            branch; command, webhook, call: run argv, POST the report, call `module:function`.
        branch: of commit: the branch that receives it; "" = the one the change is based on.
        path: of report: a file of the workspace, `{date}` and `{round}` allowed; "" = the journal alone.
        argv: of command, `{round}` and `{branch}` allowed in its words.
        url: of webhook.
        call: of call, `module:function`.
        deadline: seconds for command, webhook and call.
    """

    kind: str = "report"
    do: Does = "report"
    branch: str = ""
    path: str = ""
    argv: tuple[str, ...] = ()
    url: str = ""
    call: str = ""
    deadline: float = 120.0


class Gate(_Table, frozen=True):
    """`[gate]`: who says yes. Without anything here every change escalates.

    Attributes:
        use: escalate (always), allowlist (L3: verified, a listed kind, within paths and sizes), rules (the same, by the
            operator's rules for the tool `loop:KIND`), or `module:function`.
        kinds: action kinds that may proceed at L3.
        paths: globs, one of which every changed file must match; () = none may be changed unattended.
        deny_paths: globs that no change may touch unattended.
        max_files, max_lines: of one change (added and removed lines).
    """

    use: str = "escalate"
    kinds: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    deny_paths: tuple[str, ...] = ()
    max_files: int = 20
    max_lines: int = 400


class Accept(_Table, frozen=True):
    """`[accept]`: a command that must end with 0 in the round's sandbox, with the change in place."""

    argv: tuple[str, ...]
    deadline: float = 600.0


class Evidence(_Table, frozen=True):
    """`[promote]`: what must be on record since the level was set before `loop promote` says yes.

    Attributes:
        rounds: ended rounds.
        verified: share of the rounds with a proposal that was verified, 0 to 1.
        approved: changes the operator approved as they were.
        max_bad: denials, edits, push-backs, failures and roll-backs together.
        days: since the level was set.
    """

    rounds: int = 10
    verified: float = 0.9
    approved: int = 5
    max_bad: int = 0
    days: float = 7.0


class LoopFile(_Table, frozen=True):
    """A loop file (`loop add FILE.toml`).

    Attributes:
        intent: one sentence, shown in every maker turn and report.
        level: where it begins, L1 or L2: L3 is earned.
        schedule: five cron fields or `daily 09:00`, `weekly mon 09:00`, `every 10m`; "" = only by hand.
        zone: IANA name; "" = that of the engine's host.
        approval_life: `14d`, `36h`: how long a change waits; "" = 14 days.
        pause_after: failed rounds in a row after which it pauses itself; 0 = never.
    """

    name: str
    intent: str
    maker: Worker
    level: Level = "L1"
    schedule: str = ""
    zone: str = ""
    overlap: Overlap = "skip"
    missed: Missed = "one"
    missed_limit: int = 3
    pause_after: int = 3
    approval_life: str = ""
    workspace: str = ""
    budget: Caps = Caps()
    checker: Worker | None = None
    action: Action = Action()
    gate: Gate = Gate()
    accept: Accept | None = None
    promote: Evidence = Evidence()
    sandbox: SandboxTable = SandboxTable(kind="worktree")
    guardrails: Guardrails = Guardrails()


class LoopSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A loop as it was pinned: nothing is read from a file or guessed any more. Fields as in `LoopFile`.

    Attributes:
        maker, checker: whole tasks; their level is set by the round.
        workspace: absolute.
        zone: never "".
        models: of the roles `maker` and `checker`, and of what else both of them have (`compactor`).
        approval_life: seconds.
        pattern: the template it was made of, or "".
    """

    name: str
    intent: str
    maker: TaskFile
    models: dict[str, ModelSpec]
    workspace: str
    level: Level = "L1"
    schedule: str = ""
    zone: str = "UTC"
    overlap: Overlap = "skip"
    missed: Missed = "one"
    missed_limit: int = 3
    pause_after: int = 3
    approval_life: float = CHANGE_LIFE
    budget: Caps = Caps()
    checker: TaskFile | None = None
    action: Action = Action()
    gate: Gate = Gate()
    accept: Accept | None = None
    promote: Evidence = Evidence()
    pattern: str = ""

    @property
    def changes(self) -> bool:
        """Whether its rounds propose a change to the workspace's files."""
        return self.action.do in ("patch", "commit")


_canonical = msgspec.json.Encoder(order="deterministic").encode


def digest(spec: LoopSpec) -> str:
    """SHA-256 (64 hex) over all of it: what is pinned."""
    return hashlib.sha256(_canonical(spec)).hexdigest()
