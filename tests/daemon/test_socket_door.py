"""Who gets in: permissions, foreign users, foreign files in the way, other protocols, noise."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from harness_tui.clients.socket import SocketClient
from harness_tui.config.paths import Paths
from harness_tui.daemon.host import hosting
from harness_tui.daemon.server import MAX_SESSIONS, Server, make_private
from harness_tui.domain.errors import LinkLost, SetupError
from harness_tui.port import wire
from harness_tui.port.dial import Dial

from .double import Double, until


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


async def raw(home: Paths) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(home.socket, limit=wire.MAX_REPLY)


async def greeted(home: Paths) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await raw(home)
    writer.write(wire.hello())
    wire.check_hello(await reader.readline(), "engine")
    return reader, writer


async def test_directory_0700_and_files_0600_whatever_the_umask(tmp_path: Path) -> None:
    home = Paths(tmp_path / "home")
    before = os.umask(0)
    try:
        async with hosting(home, lambda: Double.open(home)):
            assert mode(home.home) == 0o700
            assert mode(home.socket) == 0o600
            assert mode(home.lock) == 0o600
    finally:
        os.umask(before)


def test_a_readable_directory_of_ours_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private(tmp_path)
    assert mode(tmp_path) == 0o700


def test_links_shared_and_foreign_directories_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(SetupError, match="not a real directory"):
        make_private(tmp_path / "link")
    (tmp_path / "real").chmod(0o1777)
    with pytest.raises(SetupError, match="shared"):
        make_private(tmp_path / "real")
    assert mode(tmp_path / "real") == 0o1777
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(SetupError, match="belongs to uid"):
        make_private(tmp_path / "real")


async def test_a_runtime_directory_prepared_by_somebody_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "harness-tui").symlink_to("elsewhere")
    home = Paths(tmp_path / ("long" * 40))
    with pytest.raises(SetupError, match="not a real directory"):
        async with hosting(home, lambda: Double.open(home)):
            pass


async def test_another_user_is_told_and_shut_out(home: Paths) -> None:
    home.ensure()
    server = await Server.start(Double(home), home.socket, uid=os.getuid() + 1)
    try:
        with pytest.raises(SetupError, match="may not use it"):
            await SocketClient.connect(home)
        with pytest.raises(SetupError, match="may not use it"):
            await asyncio.to_thread(Dial, home.socket)
    finally:
        await server.end()


async def test_a_client_refuses_a_listener_of_another_user(
    home: Paths, engine: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness_tui.port.dial.peer", lambda _sock: (1, os.getuid() + 1))
    with pytest.raises(SetupError, match="belongs to uid"):
        await SocketClient.connect(home)


async def test_what_is_no_socket_stays_and_is_named(home: Paths) -> None:
    home.ensure()
    home.socket.write_text("mine")
    with pytest.raises(SetupError, match="in the way"):
        async with hosting(home, lambda: Double.open(home)):
            pass
    assert home.socket.read_text() == "mine"


async def test_a_long_path_moves_to_the_runtime_directory(
    home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = home.home.parent / "run"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    home = Paths(tmp_path / ("long" * 40))
    async with hosting(home, lambda: Double.open(home)):
        assert home.socket.parent == runtime / "harness-tui"
        assert mode(home.socket.parent) == 0o700
        client = await SocketClient.connect(home)
        assert (await client.info()).home == str(home.home)
        await client.close()


async def test_another_protocol_is_named_on_both_sides(
    home: Paths, engine: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = await raw(home)
    writer.write(b'{"hello": {"version": 99, "program": "harness-tui 9.0"}}\n')
    wire.check_hello(await reader.readline(), "engine")
    error = wire.read_line(await reader.readline()).error
    assert error is not None
    assert "harness-tui 9.0 and speaks protocol 99" in error.what
    assert error.exit == 78
    assert await reader.read() == b""
    writer.close()
    greeting = wire.hello()
    monkeypatch.setattr(wire, "VERSION", 2)
    with pytest.raises(SetupError, match=r"speaks protocol 1; this is .* protocol 2"):
        wire.check_hello(greeting, "engine")


@pytest.mark.parametrize(
    "line",
    [b"\xff\xfe\n", b"not json\n", b"[" * 10_000 + b"\n", b"{}\n", b"\x00" * 100 + b"\n", b'{"m":"info","id":"x"}\n'],
)
async def test_noise_ends_the_connection_with_one_sentence(home: Paths, engine: Double, line: bytes) -> None:
    reader, writer = await greeted(home)
    writer.write(line)
    answer = wire.read_line(await reader.readline())
    assert answer.id == 0
    assert answer.error is not None
    assert "cannot read the request" in answer.error.what
    assert await reader.read() == b""
    writer.close()
    other = await SocketClient.connect(home)
    assert await other.runs()
    await other.close()


async def test_a_wrong_request_with_an_id_is_answered_and_the_connection_stays(home: Paths, engine: Double) -> None:
    reader, writer = await greeted(home)
    for line in (b'{"m":"dance","id":5}\n', b'{"m":"send","id":6,"command":{"cmd":"nope"}}\n'):
        writer.write(line)
        error = wire.read_line(await reader.readline()).error
        assert error is not None
        assert error.exit == 2
    writer.write(wire.request(wire.Info(7)))
    assert wire.read_line(await reader.readline()).id == 7
    writer.close()


async def test_an_endless_line_is_cut_off(home: Paths, engine: Double) -> None:
    reader, writer = await greeted(home)
    writer.write(b"x" * (wire.MAX_REQUEST + 100_000))
    error = wire.read_line(await reader.readline()).error
    assert error is not None
    assert str(wire.MAX_REQUEST) in error.what
    writer.close()


async def test_connections_are_counted(home: Paths, engine: Double) -> None:
    clients = [await SocketClient.connect(home) for _ in range(MAX_SESSIONS)]
    with pytest.raises(SetupError, match="already has"):
        await SocketClient.connect(home)
    await clients.pop().close()
    while True:  # the engine notices the hang-up in its own time
        try:
            clients.append(await SocketClient.connect(home))
            break
        except SetupError:
            await asyncio.sleep(0)
    for client in clients:
        await client.close()


async def test_200_connections_leave_no_descriptor_behind(home: Paths, engine: Double) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    for _ in range(3):
        await (await SocketClient.connect(home)).close()
    await asyncio.sleep(0.05)
    before = count()
    for number in range(200):
        client = await SocketClient.connect(home)
        if number % 2:
            await client.info()
        await client.close()
    await until(lambda: count() <= before)


async def test_nobody_there(home: Paths) -> None:
    with pytest.raises(LinkLost, match="No engine answers") as caught:
        await SocketClient.connect(home)
    assert caught.value.exit_code == 78
    assert not home.home.exists()
