"""The approval queue as one operator sees it: its order, the item under the cursor, and what of it has been seen.

The item under the cursor is never replaced: arriving requests go to the end, and an item somebody else decides stays
until the operator moves.
"""

from __future__ import annotations

import msgspec

from ...domain.views import ApprovalRow
from ..arming import Subject
from .world import World


class Queue:
    """Order and cursor.

    Attributes:
        order: ids, in order of arrival.
        current: id under the cursor, or "".
        sent: id of a decision that is on its way to the engine, or "".
        top: first wrapped row of the card on screen.
    """

    def __init__(self) -> None:
        self.order: list[str] = []
        self.current = ""
        self.sent = ""
        self.top = 0
        self._kept: ApprovalRow | None = None
        self._seen: dict[Subject, set[int]] = {}
        self._rows: dict[Subject, set[tuple[int, int, int]]] = {}

    def update(self, world: World) -> None:
        """Follow the views: new requests at the end, decided ones out, but for the one under the cursor."""
        waiting = {row.id: row for row in world.waiting()}
        self.order = [ident for ident in self.order if ident in waiting or ident == self.current]
        self.order += [ident for ident in waiting if ident not in self.order]
        if not self.current and self.order:
            self.current = self.order[0]
        row = world.views.approvals.get(self.current)
        if row is not None:
            self._kept = row
        elif self._kept is not None and self._kept.open and self._kept.id == self.current:
            self._kept = msgspec.structs.replace(
                self._kept, state="withdrawn", reason="decided while the link was lost"
            )
        if self.sent and (self.sent != self.current or self._kept is None or not self._kept.open):
            self.sent = ""

    def row(self) -> ApprovalRow | None:
        """The item under the cursor, as it is or as it last was."""
        return self._kept if self._kept and self._kept.id == self.current else None

    def subject(self) -> Subject | None:
        """What a decision would be about: None unless the item under the cursor is open."""
        row = self.row()
        return Subject(row.id, row.digest) if row and row.open and row.id != self.sent else None

    def move(self, by: int, world: World) -> None:
        """Put the cursor on another item; one that is decided leaves the list then."""
        if not self.order:
            return
        index = self.order.index(self.current) if self.current in self.order else 0
        target = max(0, min(len(self.order) - 1, index + by))
        row = self.row()
        if target == index:
            if row is None or row.open:
                return
            target = index - 1 if index else 0
            self.order.remove(self.current)
            self.current = self.order[min(target, len(self.order) - 1)] if self.order else ""
        else:
            self.current = self.order[target]
        self.top, self.sent = 0, ""
        self.update(world)

    # -- what has been seen --------------------------------------------------------------------------------------

    def show(self, subject: Subject, rows: list[tuple[int, int, int]], width: int) -> None:
        """Rows of the card the terminal has shown: (source line, wrapped row, of how many) at this width.

        A source line is seen when every row of it was shown at one width.
        """
        shown = self._rows.setdefault(subject, set())
        shown.update((line, row, width) for line, row, _ in rows)
        seen = self._seen.setdefault(subject, set())
        for line, _, count in rows:
            if all((line, row, width) in shown for row in range(count)):
                seen.add(line)

    def unseen(self, subject: Subject, lines: int) -> int:
        """How many of the card's source lines have not been seen at this digest."""
        seen = self._seen.get(subject, set())
        return sum(1 for line in range(lines) if line not in seen)
