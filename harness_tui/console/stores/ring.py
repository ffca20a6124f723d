"""The last rows of the trace, by stable sequence numbers: a view that holds still never sees a row change its place."""

from __future__ import annotations

from dataclasses import dataclass

from ...domain.events import Envelope

SIZE = 50_000


@dataclass(slots=True)
class Row:
    """One row of the trace.

    Attributes:
        text: safe text; of a flow row the raw one, made safe when it is drawn.
        envelope: the event, for the whole text; None for flow and for notes of the console itself.
        flow: key of the flow item, or "".
        alike: flow items that were folded into this row besides the first.
    """

    seq: int
    at: int
    run: str
    stream: str
    state: str
    kind: str
    text: str
    envelope: Envelope | None = None
    flow: str = ""
    alike: int = 0


class Ring:
    """The newest `size` rows; `first` <= seq < `next`."""

    def __init__(self, size: int = SIZE) -> None:
        self.size = size
        self.next = 0
        self._rows: list[Row | None] = [None] * size

    @property
    def first(self) -> int:
        return max(0, self.next - self.size)

    def __len__(self) -> int:
        return self.next - self.first

    def add(self, row: Row) -> Row:
        """Give the row its number and keep it."""
        row.seq = self.next
        self._rows[self.next % self.size] = row
        self.next += 1
        return row

    def take_back(self) -> None:
        """Forget the newest row; its number goes to the next one."""
        self.next -= 1
        self._rows[self.next % self.size] = None

    def get(self, seq: int) -> Row | None:
        """The row of this number, or None when it is gone or not there yet."""
        return self._rows[seq % self.size] if self.first <= seq < self.next else None
