"""A loop's change that waits, its diff as a blob, an edit of it, and calls beside it."""

from __future__ import annotations

import asyncio
import hashlib

from msgspec.structs import replace

from harness_tui.console.arming import Subject
from harness_tui.console.intents import FetchPaper, LayPaper, Send, SendBatch, SendEdit
from harness_tui.console.papers import read
from harness_tui.console.stores.papers import lay
from harness_tui.domain import events as ev
from harness_tui.domain.errors import HarnessError
from harness_tui.domain.events import Envelope, Fact
from harness_tui.domain.events.loop import Change

from .scene import NOW, US, Bench, Log, request, spec

DAY = 86400 * US
DIFF = (
    """diff --git a/CHANGELOG.md b/CHANGELOG.md
index 5f1e0c2b9a..07d4b8e11c 100644
--- a/CHANGELOG.md
+++ b/CHANGELOG.md
@@ -1,6 +1,9 @@
 # Changelog
\x20
-## Unreleased
+## 0.4.0 - 2026-11-20
+
+- A missed slot after a restart is a row with a reason, never a gap in the list that nobody can explain to anybody.
+- \u202e}eurt nruter{\u2066 \x1b]52;c;ZXZpbA==\x07
\x20
-- Old entry
--- a line that looks like a header
+- Old entry, reworded
 The end.
diff --git a/bin/run b/bin/run
old mode 100644
new mode 100755
diff --git a/logo.png b/logo.png
new file mode 100644
index 0000000000..07d4b8e11c
GIT binary patch
literal 70
zcmeAS@N?(olHy`uVBq!ia0vp^0wB!B3?z+NwNu7T0iMpz3I#>^X_+~x3?^7ni0L
ZQ-00(y

literal 0
HcmV?d00001

"""
    + "diff --git a/notes.txt b/notes.txt\n--- a/notes.txt\n+++ b/notes.txt\n@@ -1,30 +1,30 @@\n"
    + "".join(f"-old line {n} of the notes\n+new line {n} of the notes\n" for n in range(1, 31))
)
EDITED = DIFF.replace("## 0.4.0 - 2026-11-20", "## 0.4.0 - 2026-11-21").replace("reworded", "said better")


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def change(diff: str = DIFF) -> Change:
    files = ("CHANGELOG.md", "bin/run", "logo.png", "notes.txt")
    return Change(
        "4f2c91a" + "0" * 33, "main", "loops/changelog-drafter-214", "c" * 40, "d" * 40, sha(diff), files, 37, 32
    )


FACTS = (
    Fact("loop", "changelog-drafter, round 214, at L2"),
    Fact("base", "main 4f2c91a (unmoved)"),
    Fact("branch", "loops/changelog-drafter-214"),
    Fact("file", "CHANGELOG.md"),
    Fact("undo", "git revert"),
    Fact("checker", "clean: says what the log says; nothing else is touched"),
    Fact("accept", "make check: exit 0 in 4 s"),
)
ASKED = replace(
    request("A-28", digest="c3e41746" + "2" * 56, risk="med", facts=FACTS, summary="commit: CHANGELOG.md and 3 more"),
    kind="change",
    tool="loop:commit",
    change=change(),
    expires=NOW + 14 * DAY,
    why="L2 asks for each change",
)
CALL = replace(
    request("A-30", digest="f837f6d6" + "3" * 56, risk="med", facts=(Fact("argv", "npm ci"),), summary="npm ci"),
    tool="shell_exec",
    arguments={"command": "npm ci", "limit": 300},
)

SMALL = replace(CALL, id="A-31", digest="31" * 32, summary="npm test", call="c9")


def edited_change() -> ev.ApprovalEdited:
    return ev.ApprovalEdited(
        "A-28", "1000@pts/3", ASKED.summary, FACTS, "ed17" + "4" * 60, "a", "med", change=change(EDITED)
    )


def edited_call(command: str = "npm ci --ignore-scripts") -> ev.ApprovalEdited:
    arguments = {"command": command, "limit": 300}
    facts = (Fact("argv", command),)
    return ev.ApprovalEdited("A-30", "1000@pts/3", command, facts, "ed18" + "5" * 60, "a", "med", arguments)


def log(*more: ev.ApprovalRequested, change_asks: bool = True) -> Log:
    log = Log()
    log.add("r1", 60, ev.RunStarted(spec("one")))
    log.add("r1/1", 59, ev.AttemptStarted("r1", 1))
    if change_asks:
        log.add("l3/214", 4000, ASKED)
    for i, each in enumerate(more):
        log.add("r1/1", 50 - i, each)
    return log


class Port:
    """The engine's answers a card needs. Attributes: blobs: bytes by name; down: nothing can be had."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.blobs = {sha(text): text.encode() for text in (DIFF, EDITED)}
        self.down = False

    async def blob(self, name: str) -> bytes:
        if self.down or name not in self.blobs:
            raise HarnessError(f"Blob {name[:12]} cannot be read: No such file or directory.")
        return self.blobs[name]

    async def events(self, run: str, after: int = 0, limit: int = 500) -> list[Envelope]:
        return [each for each in self.log.all if each.pos > after and each.run.startswith(run)][: min(limit, 2)]


class Desk(Bench):
    """A bench that is given what its cards need."""

    def __init__(self, log: Log, **size: object) -> None:
        self.port = Port(log)
        super().__init__(log, **size)  # type: ignore[arg-type]

    def serve(self) -> None:
        """Fetch and lay out what the card wants now."""
        for wish in self.model.cards.wants():
            if isinstance(wish, FetchPaper):
                paper = asyncio.run(read(self.port, wish.row))  # type: ignore[arg-type]
                self.model.cards.take_paper(Subject(wish.row.id, wish.row.digest), paper)
            elif isinstance(wish, LayPaper):
                sheets = lay(wish.paper, wish.width, wish.rule)
                self.model.cards.take_sheets(wish.subject, wish.width, wish.paper, sheets)

    def arm(self) -> None:
        if self.model.focus != 4:
            self.press("4")
        for _ in range(3):
            self.serve()
        super().arm()

    def read_all(self) -> None:
        """Page to the end, as an operator does."""
        for _ in range(80):
            if not self.model.unseen():
                return
            self.press("space", 0.6)
        raise AssertionError("the card has no end")


def sent(out: list[object]) -> list[object]:
    """Every command among intents."""
    found: list[object] = []
    for intent in out:
        if isinstance(intent, Send | SendEdit):
            found.append(intent.command)
        elif isinstance(intent, SendBatch):
            found += intent.commands
    return found


def marked(bench: Desk, count: int) -> None:
    """Mark the first items, and put them on one card."""
    for n in range(count):
        bench.press("m")
        if n < count - 1:
            bench.press("j")
    bench.press("M")
    bench.arm()
