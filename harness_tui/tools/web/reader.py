"""Pages are read in a child process: HTML can be written so that any parser of it needs hours, or all memory."""

from __future__ import annotations

import asyncio
import contextlib
import html
import os
import re
import resource
import sys

import msgspec

from .text import readable

SECONDS = 8.0
"""For one page; of processor time the child has as many."""
_MEMORY = 2 * 1024**3
_CRUDE = 200_000
_KEPT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
_TAG = re.compile(r"<[^<>]*(>|$)")
MOST = 2_000_000
"""Characters of a page that are read; far more than is ever shown."""


class Reading(msgspec.Struct, frozen=True):
    """A page as text."""

    title: str
    text: str
    whole: bool = True


async def read_page(page: str, url: str, seconds: float = SECONDS) -> Reading:
    """Title and text of an HTML page; of one that no parser can read in time, what is left without its tags."""
    command = (sys.executable, "-P", "-m", __name__, url, str(int(seconds) or 1))
    child = await asyncio.create_subprocess_exec(
        *command,
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
        cwd="/",
        start_new_session=True,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await child.communicate(page[:MOST].encode("utf-8", "replace"))
        reading = msgspec.json.decode(said, type=Reading)
        return msgspec.structs.replace(reading, whole=len(page) <= MOST)
    except (TimeoutError, msgspec.DecodeError, OSError):
        return Reading("", _without_tags(page[:_CRUDE]), whole=False)
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def _without_tags(page: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", page)).split())


def main() -> None:
    """The child: page on stdin, `Reading` as JSON on stdout."""
    url, seconds = sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    page = sys.stdin.buffer.read().decode()
    sys.stdout.buffer.write(msgspec.json.encode(Reading(*readable(page, url))))


if __name__ == "__main__":
    main()
