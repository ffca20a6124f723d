"""A process the crash tests end: it appends a seeded history and says on stdout what was acknowledged."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from pathlib import Path

from histories import History, TickClock

from harness_tui.domain import events as ev
from harness_tui.domain.errors import SetupError
from harness_tui.domain.events import Write
from harness_tui.journal.journal import Journal


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


async def run(path: Path, seed: int) -> None:
    """Four writers, each with runs of its own, until somebody ends us."""
    journal = await Journal.open(path, TickClock())

    async def writer(number: int) -> None:
        history = History(f"w{seed}x{number}r")
        for step in range(100_000):
            which = 2 + (step * 7 + seed) % 5 if step % 9 else 1
            for envelope in await journal.append(history.step(which, (step * step + seed + number) % 11)):
                say(f"{envelope.pos} {envelope.run} {envelope.seq}")

    await asyncio.gather(*(writer(number) for number in range(4)))


async def fill(path: Path) -> None:
    """Append until the file system refuses, then make room and go on."""
    journal = await Journal.open(path, TickClock())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    big = ev.ToolFinished("c1", "browser_get_text", True, "t" * 20_000)
    refused: list[str] = []

    async def writer(run: str) -> None:
        while not refused or journal.head(run) == 0:
            try:
                for envelope in await journal.append([Write(run, journal.head(run), (big,))]):
                    say(f"{envelope.pos} {envelope.run} {envelope.seq}")
            except SetupError as error:
                refused.append(error.what)
                return

    await asyncio.gather(*(writer(f"r{number}") for number in range(5)))
    assert len(refused) == 5, refused
    before = {f"r{number}": journal.head(f"r{number}") for number in range(5)}
    stored = [envelope.seq for envelope in await journal.stream("r1")]
    assert stored == list(range(1, before["r1"] + 1)), (stored, before)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for envelope in await journal.append([Write(run, head, (big,)) for run, head in before.items()]):
        say(f"{envelope.pos} {envelope.run} {envelope.seq}")
    assert await journal.check() == []
    await journal.close()
    say(f"refused {refused[0]}")


async def forget(path: Path) -> None:
    """An exception escapes while the journal is open and an append is on its way."""
    journal = await Journal.open(path, TickClock())
    await journal.append([Write("r1", 0, (ev.ToolNoted("one"),))])
    asyncio.create_task(journal.append([Write("r1", 1, (ev.ToolNoted("two"),))]))  # noqa: RUF006
    raise RuntimeError("nobody closes")


async def leave(path: Path) -> None:
    journal = await Journal.open(path, TickClock())
    await journal.append([Write("r1", 0, (ev.ToolNoted("one"),))])
    await journal.close()


def main() -> None:
    verb, path = sys.argv[1], Path(sys.argv[2])
    match verb:
        case "run":
            asyncio.run(run(path, int(sys.argv[3])))
        case "fill":
            asyncio.run(fill(path))
        case "forget":
            asyncio.run(forget(path))
        case "abandon":
            asyncio.new_event_loop().run_until_complete(forget(path))  # the loop is never closed
        case "leave":
            asyncio.run(leave(path))


if __name__ == "__main__":
    main()
