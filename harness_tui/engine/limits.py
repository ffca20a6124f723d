"""Limits of runs and days, set by hand or by config.toml: events, so that they outlive the engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..config.settings import Settings
from ..domain.errors import UsageError
from ..domain.events import BudgetSet, Event
from ..domain.ledger import Ledger
from ..domain.money import from_usd
from ..journal.journal import Journal
from ..port.commands import Reply, SetBudget


class Limits:
    """Args: note: writes an event into the engine's own stream."""

    def __init__(self, journal: Journal, ledger: Ledger, note: Callable[[Event], Awaitable[None]]) -> None:
        self._journal = journal
        self._ledger = ledger
        self._note = note

    async def configured(self, settings: Settings) -> None:
        """The day's limits of config.toml hold until the operator sets others by hand."""
        limits, known = settings.file.budget, self._journal.views.budgets.get("day")
        tokens, usd = limits.day_tokens, None if limits.day_usd is None else from_usd(limits.day_usd)
        if known is not None and not known.by.startswith(settings.path.name):
            return
        if (tokens, usd) == ((known.limit, known.usd_limit) if known else (0, None)):
            return
        self._ledger.limit("day", tokens, usd)
        await self._note(BudgetSet("day", tokens, usd, settings.where("budget").replace("default", settings.path.name)))

    async def set(self, command: SetBudget) -> Reply:
        """Limits are events, so that they outlive the engine; the fold and the ledger take the same ones."""
        kind, _, run = command.scope.partition(":")
        row = self._journal.views.runs.get(run)
        if kind == "run" and row is None:
            raise UsageError(f"There is no run {run}.", "List them with: harness-tui runs list")
        if row and not row.open:
            raise UsageError(f"{run} is over; its budget can no longer be set.")
        if kind not in ("run", "day") or (kind == "run") != bool(run):
            raise UsageError(f'There is no budget "{command.scope}".', "Name an open run, or day.")
        if command.tokens < 0 or (command.usd or 0) < 0:
            raise UsageError("A limit is 0 or more.")
        self._ledger.limit(command.scope, command.tokens, command.usd)
        await self._note(BudgetSet(command.scope, command.tokens, command.usd, command.by))
        return Reply(command.scope, f"The limits of {run or 'each day'} are set.")
