"""The rulebook: the operator's rules and trusted workspaces, as runs hear them and as commands change them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from difflib import get_close_matches

from msgspec.structs import replace

from ..domain.errors import UsageError
from ..domain.events import Event, RuleAdded, RuleRevoked, WorkspaceDistrusted, WorkspaceTrusted
from ..domain.fold import Views
from ..domain.rules import RULE_ID, Rule, wrongs
from ..domain.seams import Clock
from ..domain.views import RuleRow
from ..port.commands import AddRule, DistrustWorkspace, Reply, RevokeRule, TrustWorkspace


class Rulebook:
    """What stands is in the views; every change is an event, and durable before it is answered.

    Args:
        note: writes one event of the engine's own stream.
    """

    def __init__(self, views: Callable[[], Views], note: Callable[[Event], Awaitable[None]], clock: Clock) -> None:
        self._views = views
        self._note = note
        self._clock = clock
        self._claims: dict[str, str] = {}
        self._given = max((number(ident) for ident in views().rules), default=0)

    def rules(self) -> Sequence[Rule]:
        """All that were not revoked; whether one holds here and now is for the judgement to say."""
        return standing(self._views().rules)

    def used(self, session: str = "") -> Mapping[str, int]:
        """Calls each rule has allowed, those included that are about to start in other worlds than `session`."""
        counts = {ident: row.used for ident, row in self._views().rules.items() if row.used}
        for ident in (ident for other, ids in self._claims.items() if other != session for ident in ids.split()):
            counts[ident] = counts.get(ident, 0) + 1
        return counts

    def claim(self, session: str, ids: str) -> None:
        """Rules (ids, separated by spaces) allow the call that a world is about to start; "" = it has started."""
        if ids:
            self._claims[session] = ids
        else:
            self._claims.pop(session, None)

    def trusts(self, path: str, digest: str) -> bool:
        """Whether the operator trusts the workspace with exactly this content."""
        row = self._views().trusted.get(path)
        return row is not None and bool(digest) and row.digest == digest

    async def add(self, command: AddRule) -> Reply:
        """Raises UsageError for a rule that makes no sense or is over before it begins."""
        rule = command.rule
        for wrong in wrongs(rule):
            raise UsageError(f"The rule was not added: {wrong.text}.")
        if rule.expires and rule.expires <= self._clock.now():
            raise UsageError("The rule was not added: it is expired already.")
        self._given += 1
        rule = replace(rule, id=f"{RULE_ID}{self._given}", by=command.by)
        await self._note(RuleAdded(rule))
        return Reply(rule.id, f"{rule.id} is in force.")

    async def revoke(self, command: RevokeRule) -> Reply:
        rows = self._views().rules
        row = rows.get(command.rule)
        if row is None:
            near = get_close_matches(command.rule, rows, 1)
            hint = f"Did you mean {near[0]}?" if near else "List them with: harness-tui policy list"
            raise UsageError(f"There is no rule {command.rule}.", hint)
        if row.revoked:
            raise UsageError(f"{row.id} was revoked by {row.revoked_by} already.")
        await self._note(RuleRevoked(row.id, command.by))
        return Reply(row.id, f"{row.id} is revoked.")

    async def trust(self, command: TrustWorkspace) -> Reply:
        if not command.path.startswith("/") or not command.digest:
            raise UsageError("A workspace is trusted by its absolute path and the digest of its content.")
        await self._note(WorkspaceTrusted(command.path, command.digest, command.by))
        return Reply(command.path, f"{command.path} is trusted as it is now.")

    async def distrust(self, command: DistrustWorkspace) -> Reply:
        row = self._views().trusted.get(command.path)
        if row is None or not row.digest:
            raise UsageError(f"{command.path} is not trusted.")
        await self._note(WorkspaceDistrusted(command.path, command.by))
        return Reply(command.path, f"{command.path} is no longer trusted.")


def standing(rows: Mapping[str, RuleRow]) -> list[Rule]:
    """The rules of rows that were not revoked, oldest first."""
    return [row.rule for row in sorted(rows.values(), key=lambda row: number(row.id)) if not row.revoked]


def number(ident: str) -> int:
    """`R-17` -> 17; anything else 0."""
    digits = ident.removeprefix(RULE_ID)
    return int(digits) if digits.isdecimal() else 0
