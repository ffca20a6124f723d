"""Child processes the engine keeps for a run (the demo site): started before it, restarted by recovery."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import tempfile
from pathlib import Path

from ..domain.errors import SetupError
from ..domain.task import Service
from ..journal.failpoints import hit

READY_TIMEOUT = 10.0
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")


def read_env_file(path: str) -> dict[str, str]:
    """KEY=VALUE lines of a file only its owner can read; {} without a path. Raises SetupError."""
    if not path:
        return {}
    file = Path(path)
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        text = file.read_text()
    except OSError as error:
        raise SetupError(f"The service's environment file {path} cannot be read: {error.strerror}.") from None
    if mode & 0o077:
        raise SetupError(f"{path} can be read by others (mode {mode:o}).", f"Run: chmod 600 {path}")
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): value for key, _, value in pairs}


class Services:
    """The running children, by run."""

    def __init__(self) -> None:
        self._children: dict[str, asyncio.subprocess.Process] = {}

    async def ensure(self, run: str, service: Service | None) -> None:
        """Start the run's service unless it lives, and wait until it answers. Raises SetupError."""
        child = self._children.get(run)
        if service is None or (child is not None and child.returncode is None):
            return
        environment = {k: os.environ[k] for k in _PASSED if k in os.environ} | read_env_file(service.env_file)
        with tempfile.TemporaryFile() as errors:
            try:
                child = await asyncio.create_subprocess_exec(
                    *service.argv,
                    env=environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=errors,
                )
            except OSError as error:
                raise SetupError(f"The service {service.argv[0]} cannot be started: {error.strerror}.") from None
            self._children[run] = child
            hit("service.started")
            if await self._ready(child, service):
                return
            alive = child.returncode is None
            await self.stop(run)
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip() or "it ended at once"
        late = f"it did not answer on {service.ready_url} within {READY_TIMEOUT:g} s"
        raise SetupError(f"The service of {run} did not start: {late if alive else said.splitlines()[-1]}.")

    async def _ready(self, child: asyncio.subprocess.Process, service: Service) -> bool:
        """Whether it answers, and still does when one left by a dead engine on the same port is gone."""
        host, port = _address(service.ready_url)
        answered = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_TIMEOUT):
                while child.returncode is None and answered < 2:
                    try:
                        _, writer = await asyncio.open_connection(host, port)
                        writer.close()
                        answered += 1
                        await asyncio.sleep(0.3 if answered == 1 else 0)
                    except OSError:
                        answered = 0
                        await asyncio.sleep(0.03)
        return answered == 2 and child.returncode is None

    async def stop(self, run: str) -> None:
        """End the run's service, if it has one."""
        child = self._children.get(run)
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if child is None or child.returncode is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(sign)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await child.wait()
        # Forgotten only now: who is interrupted on the way leaves it to `close`.
        self._children.pop(run, None)

    async def close(self) -> None:
        await asyncio.gather(*(self.stop(run) for run in list(self._children)))


def _address(url: str) -> tuple[str, int]:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80
