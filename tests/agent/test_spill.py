"""Long results: the model reads head and tail, the whole is kept, free of secrets, for this run alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.agent.driver import Driver
from harness_tui.agent.kit import Kit
from harness_tui.agent.recording import recorded
from harness_tui.agent.spill import Spill
from harness_tui.domain import events as ev
from harness_tui.domain import trace
from harness_tui.domain.errors import HarnessError, SetupError, UsageError
from harness_tui.domain.messages import ToolCall
from harness_tui.domain.seams import Blobs, ToolOutcome
from harness_tui.journal.blobs import BlobStore
from harness_tui.journal.journal import Journal

from .taped import Taped, plays_the_same
from .worlds import Bench, FakeWorld, ManualClock, call, say

CEILING = 24 * 1024


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    opened = await Journal.open(None, ManualClock())
    yield opened
    await opened.close()


class Wordy(FakeWorld):
    """Its calls say what the test gave it."""

    async def perform(self, tool_call: ToolCall) -> ToolOutcome:
        outcome = await super().perform(tool_call)
        return ToolOutcome(outcome.ok, self.shared.get("says", outcome.text))


class Spilling(Taped):
    """A recorded run that keeps what is long."""

    blobs: Blobs | None = None

    def driver(self) -> Driver:
        """A world that outlives the engine, so that the attempt goes on."""
        return Driver("r1", self.spec, self._kit(), restart=False)

    def _kit(self) -> Kit:
        kit = Bench._kit(self)
        self.spill = kit.spill = Spill(self.blobs)
        kit.environment = lambda _, session: Wordy(session, self.shared)  # type: ignore[arg-type,return-value]
        return recorded(kit, "r1", self.spec)


async def _ran(b: Spilling) -> ev.ToolFinished:
    _, task = await b.start()
    await task
    return next(e.event for e in await b.events() if isinstance(e.event, ev.ToolFinished))


async def test_the_whole_text_is_kept_and_the_model_is_told_how_to_read_it(journal: Journal, tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    b = Spilling(journal, tmp_path / "c", call("look"), say("done"))
    whole = "".join(f"line {n}\n" for n in range(50_000))
    b.blobs, b.shared["says"] = store, whole
    finished = await _ran(b)
    assert len(finished.text.encode()) < CEILING + 200
    assert finished.text.startswith("line 0\n")
    assert finished.text.endswith("line 49999\n")
    name = f"result:{finished.blob[:16]}"
    assert name in finished.text
    assert (await b.spill.read(name)).decode() == whole
    assert finished.size == len(whole)
    assert finished.blob in await journal.blobs(), "a sweep leaves it"
    await plays_the_same(b)


async def test_the_trace_says_how_much_of_it_is_shown(journal: Journal, tmp_path: Path) -> None:
    b = Spilling(journal, tmp_path / "c", call("look"), say("done"))
    b.blobs, b.shared["says"] = BlobStore(tmp_path / "blobs"), "x" * (3 * 1024 * 1024)
    await _ran(b)
    lines = [line.text for e in await b.events() if (line := trace.line(e))]
    assert any("24.1 KiB of 3.0 MiB shown" in line for line in lines)


async def test_secrets_go_before_anything_is_kept(journal: Journal, tmp_path: Path) -> None:
    secret = "sk-canary-4f2a9c77d0"
    b = Spilling(journal, tmp_path / "c", call("look"), say("done"))
    b.redaction.add([secret])
    half = CEILING // 2
    b.blobs, b.shared["says"] = BlobStore(tmp_path / "blobs"), "y" * (half - 8) + secret + "z" * CEILING
    finished = await _ran(b)
    kept = (await b.spill.read(finished.blob[:16])).decode()
    assert secret not in kept
    assert secret[:8] not in finished.text, "nor half of one where the text was cut"


async def test_after_a_recovery_it_is_read_as_before(journal: Journal, tmp_path: Path) -> None:
    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    b = Spilling(journal, tmp_path / "c", call("look"), hang, say("done"))
    b.blobs, b.shared["says"] = BlobStore(tmp_path / "blobs"), "x" * 100_000
    _, task = await b.start()
    await b.until(lambda: len(b.model.requests) == 2)
    first = b.spill
    _, task = await b.crash(task)
    await asyncio.wait_for(task, 60)
    assert b.spill is not first
    blob = next(e.event.blob for e in await b.events() if isinstance(e.event, ev.ToolFinished))
    assert await b.spill.read(f"result:{blob[:16]}") == b"x" * 100_000


async def test_only_results_of_this_run_are_read(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    other, mine = Spill(store), Spill(store)
    text, blob, _ = await other.fit("a" * 100, 10)
    assert blob[:16] in text
    for name in (f"result:{blob[:16]}", f"result:{blob}", blob, "result:../x", "result:", ""):
        with pytest.raises(UsageError, match="in this run"):
            await mine.read(name)
    mine.know([blob])
    assert await mine.read(f"result:{blob[:16]}") == b"a" * 100


async def test_a_full_disk_does_not_lose_that_it_happened() -> None:
    class Full:
        async def put(self, data: bytes, *, kind: str) -> str:
            raise SetupError("The disk refused to save a blob: no space left.")

        async def get(self, sha: str) -> bytes:
            raise HarnessError(sha)

    text, blob, size = await Spill(Full()).fit("a" * 100, 10)
    assert (blob, size) == ("", 0)
    assert "90 of 100 bytes left out; they could not be kept: The disk refused" in text


@given(st.text(max_size=300), st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_a_preview_is_head_and_tail_and_counts_what_is_left_out(text: str, ceiling: int) -> None:
    shown, blob, _ = asyncio.run(Spill().fit(text, ceiling))
    assert blob == ""
    raw = text.encode()
    if len(raw) <= ceiling:
        assert shown == text
        return
    found = re.search(r"\n\[\.\.\. (\d+) of (\d+) bytes left out \.\.\.\]\n", shown)
    assert found
    head, tail = shown[: found.start()], shown[found.end() :]
    assert text.startswith(head)
    assert text.endswith(tail)
    assert int(found[2]) == len(raw)
    assert int(found[1]) == len(raw) - len(head.encode()) - len(tail.encode())
