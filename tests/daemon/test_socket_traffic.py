"""What goes over the socket: answers, errors, batches, and what happens to the slow, the gone and the many."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from harness_tui.clients.socket import SocketClient
from harness_tui.config.paths import Paths
from harness_tui.daemon import session
from harness_tui.daemon.host import hosting
from harness_tui.domain import errors
from harness_tui.domain.errors import ApprovalError, HarnessError, LinkLost, ModelError, SetupError, UsageError
from harness_tui.domain.events import ToolNoted
from harness_tui.port import wire
from harness_tui.port.commands import Decide, StopEngine
from harness_tui.port.snapshot import Batch

from .double import Double, until

YES = Decide("A-1", "d" * 64, "approved", "me")


async def test_every_question_is_answered_in_its_type(engine: Double, client: SocketClient) -> None:
    engine.note("first")
    engine.data = bytes(range(256)) * 40_000
    assert (await client.info()).workspaces == ("/w",)
    assert (await client.snapshot()).trace[0].open().event == ToolNoted("first")
    assert [row.title for row in await client.runs(5)] == ["one"]
    assert (await client.run("r1")).id == "r1"
    assert await client.approvals() == []
    assert [row.id for row in await client.approvals(all=True)] == ["A-1"]
    assert await client.events("r1") == engine.log
    assert await client.dag("r1") == await engine.dag("r1")
    engine.note("second")
    assert await client.stream("r1", after=1) == engine.log[1:]
    assert await client.stream("r1", limit=1) == engine.log[:1]
    assert await client.blob("0" * 64) == engine.data
    assert (await client.send(YES)).text == "done."
    assert engine.commands == [YES]


@pytest.mark.parametrize(
    "error",
    [
        UsageError("no such run", "list them"),
        ApprovalError("ann was first", "", exit_code=4),
        SetupError("full disk"),
        ModelError("refused", kind="auth", status=401),
        HarnessError("odd", exit_code=130),
    ],
)
async def test_errors_keep_class_sentence_and_exit_code(
    engine: Double, client: SocketClient, error: HarnessError
) -> None:
    engine.fail = error
    with pytest.raises(type(error)) as caught:
        await client.send(YES)
    same = caught.value
    assert (type(same), same.what, same.next_step, same.exit_code) == (
        type(error),
        error.what,
        error.next_step,
        error.exit_code,
    )


def test_every_error_class_has_a_wire_form() -> None:
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, HarnessError)]
    for cls in classes:
        again = wire.Failure.of(cls("what", "next")).error()
        assert (type(again), str(again), again.exit_code) == (cls, "what next", cls.exit_code)
    assert type(wire.Failure.of(wire.Malformed("x", 1)).error()) is UsageError


async def test_a_fault_of_ours_is_named_without_its_values(
    engine: Double, client: SocketClient, caplog: pytest.LogCaptureFixture
) -> None:
    engine.fail = RuntimeError("password=hunter2")
    with pytest.raises(HarnessError, match="failed at send \\(RuntimeError\\)") as caught:
        await client.send(YES)
    assert "hunter2" not in str(caught.value) + caplog.text
    assert "double.py" in caplog.text
    engine.fail = None
    assert await client.send(YES)


async def test_a_slow_question_does_not_hold_up_the_others(engine: Double, client: SocketClient) -> None:
    engine.hold = asyncio.Event()
    slow = asyncio.create_task(client.send(YES))
    assert await client.runs()
    assert not slow.done()
    engine.hold.set()
    assert (await slow).id == "r1"


async def test_a_follower_sees_everything_after_its_cursor(engine: Double, client: SocketClient) -> None:
    for number in range(1000):
        engine.note(str(number))
    seen: list[int] = []
    async for batch in client.batches(990):
        seen += [event.pos for event in batch.events]
        if seen[-1] == 1000:
            engine.note("live")
        if seen[-1] == 1001:
            break
    assert seen == list(range(991, 1002))


async def test_a_stalled_reader_loses_no_state_and_holds_nobody_up(
    home: Paths, engine: Double, client: SocketClient
) -> None:
    """One subscriber takes nothing while 30,000 events and 60,000 flow items pass; another keeps up."""
    total, per_event = 30_000, 2
    stalled = client.batches(0)
    other = await SocketClient.connect(home)
    quick = asyncio.create_task(collect(other, total, last=str(total - 1)))
    first = asyncio.create_task(anext(stalled))
    engine.note("0")
    begun = await first
    await until(lambda: engine.watching == 2)
    for number in range(1, total):
        engine.note("x" * 500)
        for item in range(per_event):
            engine.flow(f"delta{item}", str(number))
        if number % 500 == 0:
            await asyncio.sleep(0)
    fast = await quick
    assert fast.positions == list(range(1, total + 1))
    # The stalled one's connection still answers, and its own backlog is at most the window.
    assert await client.runs()
    late = await collect(client, total, stalled, begun, str(total - 1))
    assert late.positions == list(range(1, total + 1))
    flows = (total - 1) * per_event
    assert late.flow + late.dropped == flows
    assert fast.flow + fast.dropped == flows
    assert late.last == str(total - 1)
    await other.close()


class Collected:
    def __init__(self) -> None:
        self.positions: list[int] = []
        self.flow = self.dropped = 0
        self.last = ""

    def add(self, batch: Batch) -> None:
        self.positions += [event.pos for event in batch.events]
        self.flow += len(batch.flow)
        self.dropped += batch.dropped
        if batch.flow:
            self.last = batch.flow[-1].text


async def collect(
    client: SocketClient,
    total: int,
    batches: AsyncIterator[Batch] | None = None,
    begun: Batch | None = None,
    last: str = "",
) -> Collected:
    """All batches up to pos `total` and, when given, the flow text `last`."""
    found = Collected()
    if begun:
        found.add(begun)
    async for batch in batches or client.batches(0):
        found.add(batch)
        if found.positions and found.positions[-1] >= total and found.last == last:
            break
    return found


async def test_the_window_bounds_what_is_sent_ahead(home: Paths, engine: Double) -> None:
    reader, writer = await asyncio.open_unix_connection(home.socket)
    writer.write(wire.hello() + wire.request(wire.Follow(1, 0)))
    wire.check_hello(await reader.readline(), "engine")
    for number in range(256 * 20):
        engine.note(str(number))
    for _ in range(wire.WINDOW):
        assert wire.read_line(await reader.readline()).batch
    writer.write(wire.request(wire.Info(2)))
    assert wire.read_line(await reader.readline()).id == 2  # nothing more was on its way
    writer.write(wire.request(wire.More(1)))
    assert wire.read_line(await reader.readline()).id == 1
    writer.close()


async def test_one_that_never_reads_blocks_neither_the_engine_nor_its_stop(home: Paths) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        async with hosting(home, lambda: Double.open(home)) as engine:
            mute.connect(str(home.socket))
            mute.sendall(wire.hello() + b"".join(wire.request(wire.Follow(n, 0)) for n in (1, 2)))
            await until(lambda: engine.watching == 2)
            for _ in range(5000):
                engine.note("x" * 1000)
            client = await SocketClient.connect(home)
            assert (await collect(client, 5000)).positions == list(range(1, 5001))
            await client.close()
        assert not home.socket.exists()


async def test_leaving_a_subscription_frees_it(engine: Double, client: SocketClient) -> None:
    for _ in range(20):
        engine.note("x")
        batches = client.batches(0)
        await anext(batches)
        await batches.aclose()
    await until(lambda: not engine.watching)


async def test_a_command_is_carried_through_when_its_sender_is_gone(home: Paths, engine: Double) -> None:
    engine.hold = asyncio.Event()
    client = await SocketClient.connect(home)
    asked = asyncio.create_task(client.send(YES))
    await until(lambda: bool(client._asked))
    await client.info()  # the engine has read the command by now
    await client.close()
    with pytest.raises(LinkLost):
        await asked
    engine.hold.set()
    await until(lambda: engine.commands == [YES])


async def test_half_a_request_and_a_hang_up_hurt_nobody(home: Paths, engine: Double) -> None:
    for data in (b"", b'{"hello": ', wire.hello() + b'{"m":"in', wire.hello() + wire.request(wire.Follow(1, 0))):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(home.socket))
            raw.sendall(data)
    client = await SocketClient.connect(home)
    assert await client.runs()
    await client.close()
    await until(lambda: not engine.watching)


async def test_the_last_events_and_the_reason_arrive_before_the_hang_up(
    home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FLUSH_SECONDS", 60.0)
    async with hosting(home, lambda: Double.open(home)) as engine:
        client = await SocketClient.connect(home)
        batches = client.batches(0)
        first = asyncio.create_task(anext(batches))
        engine.note("one")
        await first
        assert (await client.send(StopEngine())).id == "r1"
        await engine.stopped.wait()
    last = await anext(batches)
    assert last.events[0].open().event == ToolNoted("engine stopped")
    with pytest.raises(LinkLost, match="The engine has stopped"):
        await anext(batches)
    with pytest.raises(LinkLost, match="The engine has stopped"):
        await client.info()
    assert not home.socket.exists()
    await client.close()


async def test_a_command_that_never_ends_does_not_hold_up_the_stop(home: Paths) -> None:
    async with hosting(home, lambda: Double.open(home)) as engine:
        engine.hold = asyncio.Event()
        client = await SocketClient.connect(home)
        asked = asyncio.create_task(client.send(YES))
        await until(lambda: bool(client._asked))
        await client.info()
    with pytest.raises(LinkLost):
        await asked
    await client.close()


async def test_too_large_a_command_is_refused_before_it_is_sent(engine: Double, client: SocketClient) -> None:
    with pytest.raises(UsageError, match="the engine takes"):
        await client.send(Decide("A-1", "d", "denied", "me", "x" * wire.MAX_REQUEST))
    assert await client.runs()


async def test_too_large_an_answer_is_an_error(
    engine: Double, client: SocketClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.data = b"x" * 200_000
    monkeypatch.setattr(wire, "MAX_REPLY", 100_000)
    with pytest.raises(HarnessError, match="Ask for less"):
        await client.blob("0" * 64)
