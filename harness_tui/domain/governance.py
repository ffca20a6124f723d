"""The fold of what the operator decided for good: rules, how often each was used, and trusted workspaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import events as ev
from .events import Envelope
from .views import RuleRow, TrustRow

if TYPE_CHECKING:
    from .fold import Views


def count_uses(v: Views, ids: str) -> None:
    """A call was allowed by these rules (ids separated by spaces)."""
    for row in filter(None, map(v.rules.get, ids.split())):
        row.used += 1
        v.touch("rule", row.id, row)


def _rule_added(v: Views, e: Envelope, x: ev.RuleAdded) -> None:
    row = v.rules[x.rule.id] = RuleRow(x.rule, e.at)
    v.touch("rule", row.id, row)


def _rule_revoked(v: Views, e: Envelope, x: ev.RuleRevoked) -> None:
    row = v.rules.get(x.id)
    if row:
        row.revoked, row.revoked_by = e.at, x.by
        v.touch("rule", row.id, row)


def _trusted(v: Views, e: Envelope, x: ev.WorkspaceTrusted) -> None:
    _trust(v, TrustRow(x.path, x.digest, x.by, e.at))


def _distrusted(v: Views, e: Envelope, x: ev.WorkspaceDistrusted) -> None:
    _trust(v, TrustRow(x.path, "", x.by, e.at))


def _trust(v: Views, row: TrustRow) -> None:
    v.trusted[row.path] = row
    v.touch("trust", row.path, row)


HANDLERS: dict[type[ev.Event], Callable[[Views, Envelope, Any], None]] = {
    ev.RuleAdded: _rule_added,
    ev.RuleRevoked: _rule_revoked,
    ev.WorkspaceTrusted: _trusted,
    ev.WorkspaceDistrusted: _distrusted,
}
