"""Decisions: which key means what for the item under the cursor, and the command it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..domain.views import ApprovalRow
from ..port.commands import Decide, Resolve
from .arming import Press, Subject
from .intents import Intent, Send
from .stores.prompt import Prompt

if TYPE_CHECKING:
    from .model import Model

_ACTION = {"a": "approve", "d": "deny", "D": "deny_reason"}
_DOUBT = {"h": "happened", "n": "did_not", "r": "again"}


def subject_of(row: ApprovalRow) -> Subject:
    return Subject(row.id, row.digest)


def meaning(row: ApprovalRow | None, key: str) -> str:
    """What a key would decide about this item, or "": an item in doubt is never approved or denied."""
    if row is None or not row.open:
        return ""
    if row.kind == "in_doubt":
        return _DOUBT.get(key, "")
    action = _ACTION.get(key, "")
    return "approve_high" if action == "approve" and row.risk not in ("low", "med") else action


def perform(m: Model, press: Press) -> list[Intent]:
    """Turn a decision that stood the tests of time into a command. All but a denial need the whole payload seen."""
    row = m.queue.row()
    if row is None or not row.open or subject_of(row) != press.subject:
        return []
    unseen = m.unseen()
    if unseen and press.action not in ("deny", "deny_reason"):
        m.notice(f"{unseen} of its lines were not on screen yet: space shows the next page.")
        return []
    match press.action:
        case "deny_reason":
            m.prompt = Prompt("deny", f"deny {row.id} because: ", subject=press.subject)
            return []
        case "deny":
            return deny(m, press.subject, "")
        case "approve" | "approve_high":
            m.queue.sent = row.id
            return [Send(Decide(approval=row.id, digest=row.digest, decision="approved", by=m.by))]
        case "happened":
            return _resolve(m, row, "happened")
        case "did_not":
            return _resolve(m, row, "did_not")
        case "again":
            return _resolve(m, row, "again")
    return []


def deny(m: Model, subject: Subject, reason: str) -> list[Intent]:
    m.queue.sent = subject.item
    return [Send(Decide(approval=subject.item, digest=subject.digest, decision="denied", by=m.by, reason=reason))]


def _resolve(m: Model, row: ApprovalRow, word: str) -> list[Intent]:
    m.queue.sent = row.id
    return [Send(Resolve(approval=row.id, digest=row.digest, resolution=word, by=m.by))]  # type: ignore[arg-type]
