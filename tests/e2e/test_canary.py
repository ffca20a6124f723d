"""A password used by a whole run is nowhere afterwards: not in the home, a stream or an argv, in no spelling."""

from __future__ import annotations

import base64
import gzip
import json
import signal
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import psutil
import pytest

from harness_tui.config.paths import Paths
from tests.cli.program import PATIENCE, Running, run

from .sites import PASSWORD, USER, Board
from .test_other_sites import file_for

pytestmark = pytest.mark.timeout(3 * PATIENCE)


def spellings(secret: str) -> dict[str, bytes]:
    """The secret as it might be written down. base64 is looked for at all three alignments, less its ragged ends."""
    raw = secret.encode()
    found = {
        "plain": raw,
        "json": json.dumps(secret)[1:-1].encode(),
        "hex": raw.hex().encode(),
        "url": quote(secret, safe="").encode(),
        "form": quote_plus(secret).encode(),
        "reversed": raw[::-1],
        "utf-16le": secret.encode("utf-16-le"),
        "utf-16be": secret.encode("utf-16-be"),
        "html": secret.replace("&", "&amp;").replace("<", "&lt;").encode(),
    }
    for shift in range(3):
        found[f"base64+{shift}"] = base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4]
    return found


def hits(where: str, data: bytes, secret: str) -> list[str]:
    lower = data.lower()
    return [f"{name} in {where}" for name, text in spellings(secret).items() if text in data or text.lower() in lower]


def unpacked(data: bytes) -> Iterator[bytes]:
    """The bytes, and what is inside if they are compressed."""
    yield data
    for unpack in (gzip.decompress, zlib.decompress):
        try:
            yield unpack(data)
        except (OSError, zlib.error, EOFError):
            continue


def scan(folder: Path, secret: str, *, but: frozenset[str] = frozenset()) -> list[str]:
    files = [file for file in folder.rglob("*") if file.is_file() and file.name not in but]
    assert files
    return [hit for file in files for data in unpacked(file.read_bytes()) for hit in hits(str(file), data, secret)]


def command_lines(pid: int) -> str:
    """Every argv of the process and of all below it."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    said = []
    for process in family:
        try:
            said += process.cmdline()
        except psutil.Error:
            continue
    return "\0".join(said)


def test_the_spellings_are_found_where_they_are() -> None:
    for name, text in spellings(PASSWORD).items():
        assert hits("here", b"xx" + text + b"yy", PASSWORD), name
    assert not hits("here", b"nothing of it", PASSWORD)


def test_a_password_of_the_operator_leaves_no_trace(
    home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOARD_USER", USER)
    monkeypatch.setenv("BOARD_PASSWORD", PASSWORD)
    board = Board()
    running = Running.start(
        home, "run", "--task", str(file_for(board, tmp_path)), "--api", "stand-in", "--output-format", "stream-json"
    )
    try:
        seen = 0
        while running.process.poll() is None and seen < 4:
            try:
                running.told(rf"(?s)(decide with.*){{{seen + 1}}}|exit \d")
            except AssertionError:
                break
            if running.process.poll() is None and psutil.pid_exists(running.process.pid):
                assert not hits("argv", command_lines(running.process.pid).encode(), PASSWORD)
            for row in run(home, "approvals", "list", "--output-format", "json").json:
                run(home, "approvals", "approve", row["id"], "--digest", row["digest"])
            seen += 1
        done = running.end()
    finally:
        if running.process.poll() is None:
            running.send(signal.SIGKILL)
        board.close()
    assert board.votes == [(USER, board.ids()[0])], done.err
    assert scan(home.home, PASSWORD) == []
    assert hits("streams", (done.out + done.err).encode(), PASSWORD) == []


def test_the_demos_own_password_is_in_its_private_file_alone(home: Paths) -> None:
    done = run(home, "demo", "--headless", "--yes", "--output-format", "stream-json")
    assert done.code == 0, done.err
    (file,) = home.demo.glob("*/environment")
    secret = dict(line.split("=", 1) for line in file.read_text().splitlines())["HARNESS_TUI_DEMO_PASSWORD"]
    assert file.stat().st_mode & 0o077 == 0
    assert scan(home.home, secret, but=frozenset({"environment"})) == []
    assert hits("streams", (done.out + done.err).encode(), secret) == []
