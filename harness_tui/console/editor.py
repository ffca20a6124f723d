"""The operator's editor on a text of ours, in a file nobody else can read."""

from __future__ import annotations

import asyncio
import shlex
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from ..domain.errors import UsageError

MAX = 16 * 1024 * 1024
"""Bytes of an edited text that are read back."""
GRACE = 0.5
"""Seconds an editor has to end when the console must."""


def command(environ: Mapping[str, str]) -> list[str]:
    """The operator's editor as he named it, with its options. Raises UsageError when that is no command."""
    named = environ.get("VISUAL") or environ.get("EDITOR") or "vi"
    try:
        argv = shlex.split(named)
    except ValueError:
        argv = []
    if not argv:
        raise UsageError("VISUAL or EDITOR is no command.", "Set EDITOR, for example EDITOR=nano.")
    return argv


async def edit(text: str, suffix: str, environ: Mapping[str, str]) -> tuple[str | None, str]:
    """Let the operator edit a text on the terminal this process has.

    Returns (what is in the file afterwards, or None when that is no text; why it is not to be taken, or "").
    Raises UsageError when the editor cannot be started.
    """
    argv = command(environ)
    with tempfile.TemporaryDirectory(prefix="harness-tui-") as folder:
        path = Path(folder) / f"edit{suffix}"
        await asyncio.to_thread(path.write_text, text, encoding="utf-8", newline="")
        with _keys_for_it():
            code = await _run([*argv, str(path)])
        try:
            after = await asyncio.to_thread(_read, path)
        except (OSError, ValueError):
            return None, "The edited file is gone, too long, or not UTF-8: nothing was sent."
    if code:
        return after, f"{Path(argv[0]).name} ended with {code}: nothing was sent."
    return after, ""


def _read(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX + 1)
    if len(data) > MAX:
        raise ValueError
    return data.decode("utf-8")


async def _run(argv: list[str]) -> int:
    """Run to the end; when the console has to end first, so does the editor."""
    try:
        process = await asyncio.create_subprocess_exec(*argv)
    except OSError as error:
        raise UsageError(
            f"The editor {argv[0]} cannot be started: {error.strerror}.", "Set VISUAL or EDITOR."
        ) from None
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            await asyncio.shield(asyncio.ensure_future(_end(process)))


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        process.terminate()
        async with asyncio.timeout(GRACE):
            await process.wait()
    except ProcessLookupError:
        pass
    except TimeoutError:
        process.kill()
        await process.wait()


@contextmanager
def _keys_for_it() -> Iterator[None]:
    """ctrl+c and ctrl+\\ reach every program of the terminal: here they are the editor's, and end no console.

    A handler, since what is ignored would be ignored by the editor too.
    """

    def nothing(_number: int, _frame: FrameType | None) -> None: ...

    before = {number: signal.signal(number, nothing) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
