"""Pane 7's own state: two cursors, the open page, and what was fetched or worked out beside the rows of the loops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...domain.loop.find import standing
from ...domain.loop.rows import LoopRow, RoundRow, SpecRow
from .fires import Next, Plan
from .selection import Selection
from .world import World

PLANS = 200
"""Next fires worked out in one go."""


Stand = tuple[object, ...]


def stand(row: LoopRow) -> Stand:
    """What a card of a loop hangs on: another one means that it is to be worked out anew."""
    return (row.digest, row.level, row.state, row.slot, row.running, row.last_at, tuple(row.waits), row.source_state)


class Loops:
    """Which loop and round the operator is at.

    Attributes:
        chosen: cursor over the loops; `round` over the rounds of the chosen one.
        open: the rounds of the chosen loop are listed instead of the loops.
        zoomed: opening them made the pane larger.
        cards: what was worked out for a card that is open: by its kind and loop, what it was worked out from, and the
            label and text of each line; no lines while it is under way.
        trouble: why something could not be fetched, by loop.
    """

    def __init__(self) -> None:
        self.chosen, self.round = Selection(), Selection()
        self.open = self.zoomed = False
        self.cards: dict[tuple[str, str], tuple[Stand, list[tuple[str, str]]]] = {}
        self.trouble: dict[str, str] = {}
        self._nexts: dict[str, Next] = {}
        self._planned: set[Plan] = set()
        self._older: dict[str, list[RoundRow]] = {}
        self._asked: set[tuple[str, str]] = set()

    def update(self, world: World) -> None:
        """Follow the views: loops by name, the newest round first."""
        before = self.chosen.current
        self.chosen.update(row.id for row in standing(world.views.loops.values()))
        if self.open and self.chosen.current != before:
            self.open = False
        if self.open:
            self.round.update(row.id for row in self.rounds(world, self.chosen.current))

    def attached(self) -> None:
        """Another snapshot: what was fetched beside the one before is asked for again."""
        self._asked.clear()
        self._planned.clear()
        self.trouble.clear()
        self.cards.clear()

    # -- rows ----------------------------------------------------------------------------------------------------

    def row(self, world: World) -> LoopRow | None:
        """The loop under the cursor."""
        return world.views.loops.get(self.chosen.current)

    def rounds(self, world: World, loop: str) -> list[RoundRow]:
        """Rounds of a loop, newest first: those in memory, and older ones once they were fetched."""
        rows = {row.id: row for row in self._older.get(loop, ())}
        rows.update((row.id, row) for row in world.views.rounds.values() if row.loop == loop)
        return sorted(rows.values(), key=lambda row: -row.number)

    def find_round(self, world: World, ident: str) -> RoundRow | None:
        known = world.views.rounds.get(ident)
        return known or next((row for row in self._older.get(ident.partition("/")[0], ()) if row.id == ident), None)

    def next_fire(self, row: LoopRow) -> Next | None:
        """What is known of its next fire: None while it is worked out."""
        known = self._nexts.get(row.id)
        return known if known and known.plan == Plan.of(row) else None

    # -- what is missing -----------------------------------------------------------------------------------------

    def plans(self, rows: Iterable[LoopRow], now: int) -> tuple[Plan, ...]:
        """Next fires of these loops that must be worked out; each is named once until its answer comes."""
        out: list[Plan] = []
        for row in rows:
            if not row.schedule or row.state != "active" or len(out) == PLANS:
                continue
            plan = Plan.of(row)
            known = self._nexts.get(row.id)
            if plan not in self._planned and (known is None or known.stale(plan, now)):
                out.append(plan)
        self._planned.update(out)
        return tuple(out)

    def ask(self, what: str, loop: str) -> bool:
        """Whether to fetch this now: it was not asked for since the attach."""
        key = (what, loop)
        if key in self._asked:
            return False
        self._asked.add(key)
        return True

    def ask_card(self, kind: str, row: LoopRow) -> bool:
        """Whether to work a card out now: it was not, or the loop has moved on since."""
        known, now = self.cards.get((kind, row.id)), stand(row)
        if known and known[0] == now:
            return False
        self.cards[kind, row.id] = (now, known[1] if known else [])
        return True

    # -- what came -----------------------------------------------------------------------------------------------

    def planned(self, nexts: Sequence[Next]) -> None:
        for each in nexts:
            self._nexts[each.plan.loop] = each
            self._planned.discard(each.plan)

    def take_spec(self, world: World, row: SpecRow) -> None:
        """The fold knows specs of loops added since the attach; the others are put beside them."""
        world.views.specs.setdefault(row.id, row)

    def take_card(self, kind: str, loop: str, facts: list[tuple[str, str]]) -> None:
        if known := self.cards.get((kind, loop)):
            self.cards[kind, loop] = (known[0], facts)

    def take_rounds(self, loop: str, rows: list[RoundRow]) -> None:
        self._older[loop] = rows
