"""When a key may decide. A state machine of its own, so that its rules can be tested as rules.

Keys are off until the terminal has shown the item, half a second has passed, and the terminal has shown the word
`armed`; whatever could make the operator's eye and the screen differ starts that anew. A decision key counts only when
no other key came shortly before or after it, so that neither a paste nor a held key ever decides.
"""

from __future__ import annotations

from typing import NamedTuple

ISOLATION = 0.12
"""Seconds without another key before and after a decision key."""
LATE = 0.05
"""Seconds a timer may be late before it is not trusted."""
SETTLE = 0.5
"""Seconds an acknowledged item stands before its keys count."""
AGAIN_FROM, AGAIN_UNTIL = 0.2, 3.0
"""When the second press of `a a` or `r r` counts, in seconds after the first."""

TWICE = frozenset({"approve_high", "again"})
"""Actions that need two presses."""


class Subject(NamedTuple):
    """What a decision would be about."""

    item: str
    digest: str


class Lone:
    """A key that counts once it has stood alone for ISOLATION.

    A clock that comes late (the loop was blocked, the process stopped) proves nothing: keys that came meanwhile may
    still wait to be handled. So it is waited once more.
    """

    def __init__(self, at: float) -> None:
        self.at = at
        self.until = at + ISOLATION
        self._waited = False

    def disturbed(self, at: float) -> bool:
        """Whether another key at this moment is too close."""
        return at < self.until

    def stood(self, at: float) -> bool:
        if at > self.until + LATE and not self._waited:
            self._waited, self.until = True, at + ISOLATION
        return at >= self.until


class Press(NamedTuple):
    action: str
    at: float
    subject: Subject
    lone: Lone


class Arming:
    """Phases: off (blocked) -> shown (waits for the terminal) -> settling (half a second) -> ready (the word `armed` is
    drawn, waits for the terminal) -> armed."""

    def __init__(self) -> None:
        self.phase = "off"
        self.subject: Subject | None = None
        self.blocks: frozenset[str] = frozenset({"start"})
        self.stamp = 0
        self.until = 0.0
        self.pending: Press | None = None
        self.first: Press | None = None
        self._last_key = float("-inf")
        self._viewport: object = None

    # -- what is on screen ---------------------------------------------------------------------------------------

    def watch(self, subject: Subject | None, blocks: frozenset[str], viewport: object) -> None:
        """Say what the screen shows now. Another subject or another reason to block starts anew; a scrolled card does
        not, but its frame has a new stamp."""
        if subject != self.subject or blocks != self.blocks:
            self.subject, self.blocks, self._viewport = subject, blocks, viewport
            self.rearm()
        elif viewport != self._viewport:
            self._viewport = viewport
            self.stamp += 1

    def rearm(self) -> None:
        """Start anew: focus-in, resize, resync, a changed link, item or digest."""
        self.pending = self.first = None
        self.stamp += 1
        self.phase = "off" if self.subject is None or self.blocks else "shown"

    def acknowledged(self, at: float, stamp: int) -> bool:
        """The terminal has shown the frame of `stamp`. True when that is the current one."""
        if stamp != self.stamp:
            return False
        if self.phase == "shown":
            self.phase, self.until = "settling", at + SETTLE
        elif self.phase == "ready":
            self.phase = "armed"
        return True

    @property
    def armed(self) -> bool:
        return self.phase == "armed"

    @property
    def says_armed(self) -> bool:
        """The word `armed` is to be drawn (the keys count once the terminal has shown it)."""
        return self.phase in ("ready", "armed")

    # -- keys ----------------------------------------------------------------------------------------------------

    def key(self, at: float) -> bool:
        """Any key, pasted text included. Cancels what was pending; True when no other key came just before."""
        if self.pending and self.pending.lone.disturbed(at):
            self.pending = None
        alone = at >= self._last_key + ISOLATION
        self._last_key = max(at, self._last_key)
        return alone

    def press(self, action: str, at: float, alone: bool) -> bool:
        """A decision key, after `key` said whether it was alone. It counts when it is still alone ISOLATION later;
        False when it is clear now that it does not."""
        first, self.first = self.first, None
        if not (self.armed and alone and self.subject):
            return False
        if first and (first.action != action or not first.at + AGAIN_FROM <= at <= first.at + AGAIN_UNTIL):
            return False
        self.first = first
        self.pending = Press(action, at, self.subject, Lone(at))
        return True

    def cancel(self) -> None:
        """Another key than the one awaited: forget the first press of two."""
        self.pending = self.first = None

    def tick(self, at: float) -> Press | None:
        """Let time pass; returns the decision that became one."""
        if self.phase == "settling" and at >= self.until:
            self.phase = "ready"
            self.stamp += 1
        if self.first and not self.pending and at > self.first.at + AGAIN_UNTIL:
            self.first = None
        if self.pending is None or not self.pending.lone.stood(at):
            return None
        press, self.pending = self.pending, None
        if not self.armed or press.subject != self.subject:
            return None
        if press.action in TWICE and self.first is None:
            self.first = press
            return None
        self.first = None
        return press

    def due(self) -> float | None:
        """Next moment `tick` changes something."""
        moments = []
        if self.phase == "settling":
            moments.append(self.until)
        if self.pending:
            moments.append(self.pending.lone.until)
        elif self.first:
            moments.append(self.first.at + AGAIN_UNTIL + 0.001)
        return min(moments, default=None)
