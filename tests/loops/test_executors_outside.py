"""What reaches beyond the files: commands, webhooks and calls, each with an end and a clear word when it fails."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from harness_tui.domain.errors import HarnessError, UsageError
from harness_tui.domain.events import Change, Receipt
from harness_tui.loops import executors
from harness_tui.loops.executors import Job, command
from harness_tui.loops.executors.job import table
from harness_tui.sandbox.bubblewrap import Bubblewrap
from harness_tui.sandbox.none import NoSandbox

from .jobs import job, spec

CHANGE = Change("b" * 40, "main", "loops/tidy-214", "c" * 40, "t" * 40, "d" * 64, ("a.txt",))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = (tmp_path / "workspace").resolve()
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return (tmp_path / "home").resolve()


# -- command --------------------------------------------------------------------------------------------------------


def commanded(workspace: Path, home: Path, *argv: str, change: Change | None = CHANGE, deadline: float = 60) -> Job:
    def sandbox() -> Bubblewrap:
        return Bubblewrap(workspace, hidden=[home])

    given = {"change": change, "sandbox": sandbox}
    return job(workspace, home, given=given, do="command", argv=argv, deadline=deadline)


async def test_a_command_runs_in_the_sandbox_over_the_workspace(workspace: Path, home: Path) -> None:
    done = commanded(
        workspace, home, "sh", "-c", 'printf "%s|" "$@"; pwd; echo made > file', "sh", "{round}", "-b={branch}"
    )
    receipt = await executors.execute(done)
    assert f"l3/214|-b=loops/tidy-214|{workspace}" in receipt.summary
    assert (workspace / "file").read_text() == "made\n"
    assert receipt.digest == done.digest
    assert await executors.settled(done) == "unknown"


def test_what_stands_in_a_placeholder_stays_one_word(workspace: Path, home: Path) -> None:
    words = command.argv(commanded(workspace, home, "echo", "{branch} {commit}", "{{round}}", "{other}", "$(x)"))
    assert words == ("echo", f"loops/tidy-214 {'c' * 40}", "{l3/214}", "{other}", "$(x)")


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("sh", "-c", "echo it broke; exit 3"), "ended with 3: it broke"),
        (("sh", "-c", "kill -9 $$"), "ended with 137|was stopped"),
        (("no-such-program",), "not among the system's programs"),
        (("./script.sh",), "not among the system's programs"),
        (("/tmp/x",), "not among the system's programs"),
    ],
)
async def test_a_command_that_fails_says_how(workspace: Path, home: Path, argv: tuple[str, ...], why: str) -> None:
    (workspace / "script.sh").write_text("#!/bin/sh\n")
    (workspace / "script.sh").chmod(0o755)
    with pytest.raises(HarnessError, match=why) as caught:
        await executors.execute(commanded(workspace, home, *argv))
    assert caught.value.next_step


async def test_a_command_has_a_deadline(workspace: Path, home: Path) -> None:
    with pytest.raises(HarnessError, match=r"did not end within 0\.5 s"):
        await executors.execute(commanded(workspace, home, "sleep", "600", deadline=0.5))


async def test_a_long_output_is_kept_by_its_end(workspace: Path, home: Path) -> None:
    receipt = await executors.execute(commanded(workspace, home, "sh", "-c", "seq 100000; echo the end"))
    assert receipt.summary.endswith("the end")
    assert len(receipt.summary) < command.TAIL + 200


async def test_a_placeholder_for_nothing_is_refused(workspace: Path, home: Path) -> None:
    with pytest.raises(HarnessError, match="stands for nothing"):
        await executors.execute(commanded(workspace, home, "echo", "{commit}", change=None))


def test_a_command_acts_on_the_workspace_and_not_on_a_worktree(workspace: Path) -> None:
    assert table(spec(workspace)).kind == "bubblewrap"
    assert table(spec(workspace, kind="none")).kind == "none"


# -- webhook --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def receiving(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server on loopback that answers each request with the same bytes; (its URL, requests)."""
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l"))
        got.append(head + await reader.readexactly(length))
        if answer:
            writer.write(answer)
            writer.close()
        else:
            await reader.read()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/hook/SECRET?x=1", got


def answer(status: str, *headers: str, body: str = "") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", body]).encode()


def hooked(workspace: Path, home: Path, url: str, **given: Any) -> Job:
    return job(workspace, home, given=given, do="webhook", url=url)


async def test_a_report_is_posted_once_to_where_the_operator_said(workspace: Path, home: Path) -> None:
    async with receiving(answer("204 No Content")) as (url, got):
        done = hooked(workspace, home, url, report="ü \udc80")
        receipt = await executors.execute(done)
    head, _, sent = got[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hook/SECRET?x=1 HTTP/1.1")
    assert b"dddddddd" in head
    assert json.loads(sent) == {
        "loop": "tidy",
        "round": "l3/214",
        "outcome": "approved",
        "summary": "a.txt +1 -0",
        "report": "ü ?",
        "digest": "d" * 64,
    }
    assert len(got) == 1
    assert "SECRET" not in receipt.summary
    assert await executors.settled(done) == "unknown"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answer("302 Found", "Location: http://127.0.0.1:1/"), "redirects"),
        (answer("500 Oops", body="it \x1b[31m broke"), "answered 500"),
        (answer("400 Bad Request"), "answered 400"),
        (b"SSH-2.0-x\r\n", "did not answer as a web server"),
        (b"\r\n", "did not answer as a web server"),
    ],
)
async def test_only_2xx_will_do(workspace: Path, home: Path, said: bytes, why: str) -> None:
    async with receiving(said) as (url, got):
        with pytest.raises(HarnessError, match=why) as caught:
            await executors.execute(hooked(workspace, home, url))
    assert caught.value.next_step
    assert "SECRET" not in str(caught.value)
    assert len(got) == 1


async def test_who_does_not_answer_is_not_waited_for(
    workspace: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness_tui.loops.executors import webhook

    monkeypatch.setattr(webhook, "SECONDS", 0.2)
    async with receiving(b"") as (url, _):
        with pytest.raises(HarnessError, match="did not answer within"):
            await executors.execute(hooked(workspace, home, url))


async def test_nobody_there_is_said(workspace: Path, home: Path) -> None:
    with pytest.raises(HarnessError, match="cannot be reached"):
        await executors.execute(hooked(workspace, home, "http://127.0.0.1:1/"))
    with pytest.raises(UsageError, match="leads nowhere"):
        await executors.execute(hooked(workspace, home, "ftp://x/"))


# -- call -----------------------------------------------------------------------------------------------------------

released = threading.Event()


def tells(job: Job) -> str:
    return f"{job.round} in {threading.current_thread().name}"


def nothing(job: Job) -> None:
    return None


def receipt(job: Job) -> Receipt:
    return Receipt("call", "own words", job.digest, undo="true")


def raises(job: Job) -> None:
    raise ValueError("bad value")


def refuses(job: Job) -> None:
    raise HarnessError("Not today.", "Tomorrow.")


def exits(job: Job) -> None:
    sys.exit(3)


def hangs(job: Job) -> None:
    released.wait(60)


value = 3


def called(workspace: Path, home: Path, name: str, deadline: float = 60) -> Job:
    return job(workspace, home, do="call", call=name if ":" in name else f"{__name__}:{name}", deadline=deadline)


async def test_a_function_is_called_on_a_thread_of_its_own(workspace: Path, home: Path) -> None:
    assert (await executors.execute(called(workspace, home, "tells"))).summary == "l3/214 in harness-call"
    assert "has ended" in (await executors.execute(called(workspace, home, "nothing"))).summary
    assert (await executors.execute(called(workspace, home, "receipt"))).undo == "true"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("raises", "ValueError: bad value"),
        ("refuses", "Not today"),
        ("exits", "SystemExit: 3"),
        ("value", "no function value"),
        ("absent", "no function absent"),
        ("no_such_module_here:x", "no module"),
        ("os.path:no such", "no module:function"),
        ("os.path:", "no module:function"),
        ("../x:y", "no module:function"),
    ],
)
async def test_a_function_that_fails_says_how(workspace: Path, home: Path, name: str, why: str) -> None:
    with pytest.raises(HarnessError, match=why) as caught:
        await executors.execute(called(workspace, home, name))
    assert caught.value.next_step


async def test_a_function_has_a_deadline(workspace: Path, home: Path) -> None:
    try:
        with pytest.raises(HarnessError, match=r"did not end within 0\.2 s"):
            await executors.execute(called(workspace, home, "hangs", 0.2))
    finally:
        released.set()


@pytest.mark.parametrize("place", [lambda path: str(path), lambda path: ""], ids=["on the path", "working directory"])
async def test_a_module_of_the_workspace_is_not_imported(
    workspace: Path, home: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[[Path], str]
) -> None:
    (workspace / "planted_by_an_agent.py").write_text("open('sprung', 'w')\ndef act(job): pass\n")
    (workspace / "planted_package").mkdir()
    (workspace / "planted_package" / "inner.py").write_text("open('sprung', 'w')\ndef act(job): pass\n")
    monkeypatch.chdir(workspace)
    monkeypatch.syspath_prepend(place(workspace))
    for name in ("planted_by_an_agent:act", "planted_package.inner:act"):
        with pytest.raises(UsageError, match="lies in the workspace"):
            await executors.execute(called(workspace, home, name))
    assert not (workspace / "sprung").exists()


async def test_without_a_sandbox_no_command_runs(workspace: Path, home: Path, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no sandbox"):
        await executors.execute(job(workspace, home, do="command", argv=("true",)))
    free = NoSandbox(workspace, scratch=tmp_path / "scratch")
    done = job(workspace, home, given={"sandbox": lambda: free}, do="command", argv=("true",))
    assert "ended with 0" in (await executors.execute(done)).summary
