"""`[notify]`: who is told what, how often, and that nothing waits for it or fails by it."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from harness_tui.config.paths import Paths
from harness_tui.config.settings import Notify, load_settings
from harness_tui.domain import events as ev
from harness_tui.domain.errors import SetupError
from harness_tui.domain.events import Envelope, Event
from harness_tui.domain.fold import Views
from harness_tui.domain.loop.spec import LoopSpec
from harness_tui.domain.redaction import Redaction
from harness_tui.domain.task import TaskFile
from harness_tui.engine import notify
from harness_tui.engine.notify import INTERVAL, KEPT, News, Notifier, digest
from tests.agent.worlds import ManualClock

WRITE = "import json, sys; open(sys.argv[1], 'a').write(json.dumps([sys.argv[2], json.load(sys.stdin)]) + chr(10))"


class Told:
    """A notifier over real events, whose command writes down what it is called with."""

    def __init__(self, folder: Path, how: Notify | None = None, redact: Callable[[str], str] = str) -> None:
        self.file = folder / "told"
        self.views, self.clock, self.pos = Views(), ManualClock(), 0
        how = how or Notify((sys.executable, "-c", WRITE, str(self.file)))
        self.notifier = Notifier(how, lambda: self.views, self.clock, redact)
        spec = LoopSpec("changelog", "keeps it", TaskFile(prompt="x"), {}, "/w")
        self.say("l1", ev.LoopAdded(spec, "d" * 64, "f.toml", "s" * 64, "L2", "ada"))

    def say(self, stream: str, *told: Event) -> None:
        batch = []
        for event in told:
            self.pos += 1
            batch.append(Envelope(self.pos, stream, self.pos, self.clock.now(), event))
            self.views.apply(batch[-1])
        self.notifier(batch)

    def ask(self, ident: str, summary: str = "apply patch") -> None:
        if "l1/1" not in self.views.rounds:
            self.say("l1/1", ev.RoundStarted(1, "manual", "L2", "d" * 64))
        asked = ev.ApprovalRequested(ident, "c", "loop:patch", "med", "destructive", summary, (), "d" * 64, "", 0)
        self.say("l1/1", asked)

    def decide(self, ident: str) -> None:
        self.say("l1/1", ev.ApprovalDecided(ident, "denied", "ada", "d" * 12))

    async def lines(self, count: int) -> list[tuple[str, dict[str, object]]]:
        async with asyncio.timeout(60):
            while len(found := self.file.read_text().splitlines() if self.file.exists() else []) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return [tuple(json.loads(line)) for line in found]

    async def idle(self) -> None:
        """Until it has nothing more to say, or waits for the clock."""
        async with asyncio.timeout(60):
            while (task := self.notifier._telling) and not task.done() and not self.clock._sleepers:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_a_request_is_told_with_the_sentence_last_and_the_facts_on_stdin(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.ask("A-1")
    [(text, facts)] = await told.lines(1)
    assert text == "harness-tui: A-1 changelog waits: apply patch"
    assert facts["text"] == text and facts["waiting"] == 1
    assert facts["news"] == [{"what": "waits", "id": "A-1", "of": "changelog", "text": "apply patch"}]
    await told.notifier.close()


async def test_a_burst_is_one_message_and_one_digest_of_what_still_waits(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.ask("A-1")
    await told.lines(1)
    for number in range(2, 12):
        told.ask(f"A-{number}")
    told.decide("A-3")
    await told.idle()
    await told.clock.advance(INTERVAL - 1)
    assert len(await told.lines(1)) == 1, "half a minute has not passed"
    await told.clock.advance(1)
    text, facts = (await told.lines(2))[1]
    assert text.startswith("harness-tui: 9 for you: A-2 changelog waits: apply patch; A-4 ")
    assert text.endswith("; and 4 more") and len(facts["news"]) == 9
    await told.idle()
    await told.clock.advance(10 * INTERVAL)
    assert len(await told.lines(2)) == 2, "nothing is told twice"
    await told.notifier.close()


async def test_what_was_decided_meanwhile_is_not_told_at_all(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.ask("A-1")
    await told.lines(1)
    told.ask("A-2")
    await told.idle()
    told.decide("A-2")
    await told.clock.advance(INTERVAL)
    await told.idle()
    told.ask("A-3")
    assert [text for text, _ in await told.lines(2)][1] == "harness-tui: A-3 changelog waits: apply patch"
    await told.notifier.close()


async def test_a_clock_that_was_set_back_silences_it_no_longer_than_the_interval(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.ask("A-1")
    await told.lines(1)
    told.clock._now -= 3600 * 1_000_000
    told.ask("A-2")
    await told.idle()
    await told.clock.advance(INTERVAL)
    assert len(await told.lines(2)) == 2
    await told.notifier.close()


async def test_quiet_rounds_and_what_people_did_themselves_are_not_told(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.say("l1/1", ev.RoundStarted(1, "slot", "L2", "d" * 64))
    told.say("l1/1", ev.RoundFinished("reported", "nothing to do", quiet=True))
    told.say("l1", ev.LoopPaused("ada", "holiday"), ev.LevelSet("L1", "ada", "not now"), ev.LoopResumed("ada"))
    assert told.notifier._telling is None
    told.say("l1/2", ev.RoundStarted(2, "slot", "L2", "d" * 64))
    told.say("l1/2", ev.RoundFinished("failed", "the model was away"))
    told.say("l1", ev.LoopPaused("harness", "3 rounds failed"), ev.LevelSet("L1", "harness", "from L2 to L1."))
    [(text, _)] = await told.lines(1)
    assert text == (
        "harness-tui: 3 for you: changelog failed: the model was away; changelog paused itself: 3 rounds failed; "
        "changelog lost a level: from L2 to L1."
    )
    await told.notifier.close()


async def test_no_secret_and_no_control_character_leaves(tmp_path: Path) -> None:
    redaction = Redaction()
    redaction.add(["hunter2-canary-value"])
    told = Told(tmp_path, redact=redaction)
    told.ask("A-1", "push with hunter2-canary-value \x1b]52;c;x\x07")
    await told.lines(1)
    written = told.file.read_text()
    assert "hunter2" not in written and "[secret]" in written
    assert "\\u001b" not in written and "\x1b" not in written
    await told.notifier.close()


async def test_a_command_that_hangs_is_killed_and_trouble_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notify, "DEADLINE", 0.2)
    told = Told(tmp_path, Notify(("sh", "-c", "sleep 3600")))
    with caplog.at_level(logging.WARNING):
        for number in range(1, 4):
            told.ask(f"A-{number}")
            await told.idle()
            await told.clock.advance(INTERVAL)
            await told.idle()
    assert [record.message for record in caplog.records] == ["[notify] sh did not end within 0.2 s and was killed."]
    await told.notifier.close()


async def test_a_program_that_is_not_there_harms_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = Told(tmp_path, Notify((str(tmp_path / "no-such-program"),)))
    with caplog.at_level(logging.WARNING):
        told.ask("A-1")
        await told.idle()
    [record] = caplog.records
    assert "cannot be started: No such file or directory." in record.message
    await told.notifier.close()


async def test_a_webhook_gets_the_facts_and_its_path_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-l"))
        got.append(head + await reader.readexactly(length))
        status = b"200 OK" if len(got) == 1 else b"500 Oh"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    told = Told(tmp_path, Notify(webhook=f"http://127.0.0.1:{port}/hooks/secret-path"))
    with caplog.at_level(logging.WARNING):
        told.ask("A-1")
        await told.idle()
        assert caplog.records == []
        told.ask("A-2")
        await told.idle()
        await told.clock.advance(INTERVAL)
        await told.idle()
    assert got[0].startswith(b"POST /hooks/secret-path HTTP/1.1")
    assert msgspec.json.decode(got[0].partition(b"\r\n\r\n")[2])["news"][0]["id"] == "A-1"
    assert [record.message for record in caplog.records] == [f"[notify] 127.0.0.1:{port} answered 500."]
    await told.notifier.close()
    server.close()


async def test_a_flood_is_bounded_and_counted(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.ask("A-0")
    await told.lines(1)
    for number in range(1, KEPT + 51):
        told.ask(f"A-{number}")
    await told.idle()
    assert len(told.notifier._heard) == KEPT
    await told.clock.advance(INTERVAL)
    text, facts = (await told.lines(2))[1]
    assert text.startswith(f"harness-tui: {KEPT + 50} for you: ") and facts["more"] == 50
    await told.notifier.close()


def test_without_a_place_to_tell_nothing_is_done() -> None:
    notifier = Notifier(Notify(), Views, ManualClock())
    notifier([Envelope(1, "l1", 1, 0, ev.LoopPaused("harness", "x"))])  # no loop runs: a task would fail
    assert notifier._heard == []


def test_the_digest() -> None:
    assert digest([News("paused", "l1", "sweep", "")]) == "harness-tui: sweep paused itself"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('webhook = "ftp://x"', '"webhook" in [notify] must be an http(s) URL'),
        ('command = [""]', '"command" in [notify] must begin with a program'),
        ('comand = ["x"]', "comand"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(home: Paths, line: str, said: str) -> None:
    home.ensure()
    path = home.home / "config.toml"
    path.write_text(f"[notify]\n{line}\n")
    path.chmod(0o600)
    with pytest.raises(SetupError, match=r"config\.toml:2") as caught:
        load_settings(home)
    assert said in str(caught.value)
