"""The approval desk: every decision goes through here; the first wins, and the loser is told who won."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable

from ..domain.approval import MIN_DIGEST, names
from ..domain.errors import ApprovalError, UsageError
from ..domain.fold import Views
from ..domain.inputs import Decided, Resolved
from ..domain.seams import Clock
from ..domain.views import ApprovalRow
from ..port.commands import Decide, EditApproval, Reply, Resolve
from .supervisor import Supervisor


class Desk:
    def __init__(self, views: Callable[[], Views], supervisor: Supervisor, clock: Clock) -> None:
        self._views = views
        self._supervisor = supervisor
        self._clock = clock

    async def decide(self, command: Decide) -> Reply:
        """Approve or deny; answers after the decision is durable. Raises ApprovalError when it is refused."""
        row = self._row(command.approval)
        self._check_digest(row, command.digest)
        if row.kind == "in_doubt":
            how = f"harness-tui approvals resolve {row.id} --happened|--did-not|--again --digest {row.digest[:12]}"
            raise ApprovalError(f"{row.id} is in doubt: it can be resolved, not approved or denied.", f"Use: {how}")
        if row.state != "requested":
            raise ApprovalError(_settled(row))
        if row.expires and row.expires <= self._clock.now():
            raise ApprovalError(f"{row.id} expired at {_clock_time(row.expires)}.", "A new attempt asks again.")
        if command.decision == "pushed_back" and row.kind != "change":
            raise ApprovalError(f"{row.id} is no loop's change: there is no maker to push it back to.", "Deny it.")
        word = Decided(row.id, command.decision, command.by, row.digest, command.reason)
        await self._hand_over(row, word)
        return Reply(row.id, f"{row.id} {command.decision}.")

    async def edit(self, command: EditApproval) -> Reply:
        """Put something else in the place of what is asked for; answers the new digest."""
        raise NotImplementedError

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
        driver = self._supervisor.driver(row.run)
        if driver is None or not await driver.decide(word):
            raise ApprovalError(_settled(self._row(row.id)))

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


def _settled(row: ApprovalRow) -> str:
    """Who decided what, and when."""
    word = row.resolution.replace("_", " ") or row.state
    if not row.by:
        return f"{row.id} can no longer be decided: it is {word}{': ' + row.reason if row.reason else ''}."
    when = f" at {_clock_time(row.decided)}" if row.decided else ""
    return f"{row.id} was already decided by {row.by}{when}: it is {word}."


def _clock_time(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(at / 1_000_000))
