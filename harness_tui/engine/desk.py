"""The approval desk: every decision goes through here; the first wins, and the loser is told who won."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from ..domain.approval import MIN_DIGEST, names
from ..domain.errors import ApprovalError, UsageError
from ..domain.fold import Views
from ..domain.inputs import Decided, Resolved
from ..domain.seams import Clock
from ..domain.views import ApprovalRow
from ..port.commands import Decide, EditApproval, Reply, Resolve
from .supervisor import Supervisor


class Waits(Protocol):
    """Whoever asked for a decision."""

    async def decide(self, word: Decided | Resolved) -> bool:
        """Apply a decision; False when the request no longer waits as it was shown. Returns after it is durable."""
        ...


class Round(Waits, Protocol):
    """A round of a loop whose change, or whose effect in doubt, waits."""

    async def edit(self, command: EditApproval) -> str:
        """Put the operator's diff in the place of the maker's; the new digest, "" = too late. Raises HarnessError."""
        ...


class Desk:
    """Hands each decision to whoever waits for it.

    Args:
        rounds: the live round of an id (`l3/214`); None = there is none, or the id is a run's.
        graphs: the same of a graph's run, which asks for its gates and its plan.
    """

    def __init__(
        self,
        views: Callable[[], Views],
        supervisor: Supervisor,
        clock: Clock,
        rounds: Callable[[str], Round | None] = lambda _: None,
        graphs: Callable[[str], Waits | None] = lambda _: None,
    ) -> None:
        self._views = views
        self._supervisor = supervisor
        self._clock = clock
        self._rounds = rounds
        self._graphs = graphs

    async def decide(self, command: Decide) -> Reply:
        """Approve or deny; answers after the decision is durable. Raises ApprovalError when it is refused."""
        row = self._row(command.approval)
        self._check_digest(row, command.digest)
        if row.kind == "in_doubt":
            raise ApprovalError(
                f"{row.id} is in doubt: it can be resolved, not approved or denied.", _how_resolved(row)
            )
        self._check_waits(row)
        if command.decision == "pushed_back" and row.kind not in ("change", "gate"):
            raise ApprovalError(f"{row.id} is no loop's change and no gate: nobody could do it anew.", "Deny it.")
        word = Decided(row.id, command.decision, command.by, row.digest, command.reason)
        await self._hand_over(row, word)
        return Reply(row.id, f"{row.id} {command.decision}.")

    async def edit(self, command: EditApproval) -> Reply:
        """Put something else in the place of what is asked for; answers the new digest.

        Raises UsageError for what does not fit, ApprovalError for what policy refuses or somebody else was faster with.
        """
        row = self._row(command.approval)
        self._check_digest(row, command.digest)
        if row.kind == "in_doubt":
            raise ApprovalError(f"{row.id} is in doubt: what may have happened cannot be edited.", _how_resolved(row))
        self._check_waits(row)
        if row.kind in ("gate", "plan"):
            raise ApprovalError(f"{row.id} is a {row.kind}: it is decided, not edited.", "Approve or deny it.")
        if (command.diff is None) == (row.kind == "change") or (command.arguments is None) == (row.kind == "action"):
            what = "the diff of its change" if row.kind == "change" else "the arguments of its call"
            raise UsageError(f"{row.id} is edited by {what}, and by nothing else.")
        shown, digest = row.digest, ""
        if (waits := self._rounds(row.run)) and row.kind == "change":
            digest = await waits.edit(replace(command, digest=shown))
        elif driver := self._supervisor.driver(row.run):
            digest = await driver.edit(row.id, shown, command.by, command.arguments or {})
        if not digest:
            raise self._too_late(row.id, shown)
        return Reply(row.id, f"{row.id} is edited and waits under its new digest {digest[:16]}.", digest)

    async def resolve(self, command: Resolve) -> Reply:
        """The operator's word on an in-doubt effect."""
        row = self._row(command.approval)
        self._check_digest(row, command.digest)
        if row.kind != "in_doubt":
            how = f"harness-tui approvals approve {row.id} --digest {row.digest[:12]}"
            raise ApprovalError(f"{row.id} is not in doubt.", f"Use: {how}" if row.open else "")
        if row.resolution:
            raise ApprovalError(_settled(row))
        await self._hand_over(row, Resolved(row.id, command.resolution, command.by, command.reason))
        return Reply(row.id, f"{row.id} resolved: {command.resolution.replace('_', ' ')}.")

    async def _hand_over(self, row: ApprovalRow, word: Decided | Resolved) -> None:
        shown = row.digest
        waits = self._rounds(row.run) or self._graphs(row.run) or self._supervisor.driver(row.run)
        if waits is None or not await waits.decide(word):
            raise self._too_late(row.id, shown)

    def _check_waits(self, row: ApprovalRow) -> None:
        if row.state != "requested":
            raise ApprovalError(_settled(row))
        if row.expires and row.expires <= self._clock.now():
            raise ApprovalError(f"{row.id} expired at {_clock_time(row.expires)}.", "A new attempt asks again.")

    def _too_late(self, approval: str, shown: str) -> ApprovalError:
        """Why nobody took a word on what was `shown`: who was faster, and with what."""
        row = self._row(approval)
        if not row.open or row.digest == shown:
            return ApprovalError(_settled(row))
        now = f"{row.id} was edited by {row.edited} meanwhile and now shows digest {row.digest[:12]}."
        return ApprovalError(f"Refused: {now}", f"Look again: harness-tui approvals show {row.id}")

    def _row(self, approval: str) -> ApprovalRow:
        rows = self._views().approvals
        if approval in rows:
            return rows[approval]
        near = difflib.get_close_matches(approval, rows, 1)
        hint = f"Did you mean {near[0]}?" if near else "List them with: harness-tui approvals list"
        raise UsageError(f"There is no approval {approval}.", hint)

    def _check_digest(self, row: ApprovalRow, given: str) -> None:
        if len(given) < MIN_DIGEST:
            raise ApprovalError(f"A decision names at least {MIN_DIGEST} hex digits of the digest, not {len(given)}.")
        if not names(row.digest, given):
            shown = f"{row.id} now shows digest {row.digest[:12]}, the decision names {given[:12]}."
            raise ApprovalError(f"Refused: {shown}", f"Look again: harness-tui approvals show {row.id}")


def _how_resolved(row: ApprovalRow) -> str:
    words = f"{row.id} --happened|--did-not|--again --digest {row.digest[:12]}"
    return f"Use: harness-tui approvals resolve {words}"


def _settled(row: ApprovalRow) -> str:
    """Who decided what, and when."""
    word = row.resolution.replace("_", " ") or row.state
    if not row.by:
        return f"{row.id} can no longer be decided: it is {word}{': ' + row.reason if row.reason else ''}."
    when = f" at {_clock_time(row.decided)}" if row.decided else ""
    return f"{row.id} was already decided by {row.by}{when}: it is {word}."


def _clock_time(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(at / 1_000_000))
