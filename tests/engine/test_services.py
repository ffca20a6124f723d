"""The children an engine keeps for its runs: none outlives it, whoever was interrupted while ending one."""

from __future__ import annotations

import asyncio
import socket
import sys

from harness_tui.domain.task import Service
from harness_tui.engine.services import Services

DEAF = "import signal, socket, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
DEAF += "s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\nwhile True: s.accept()"


def service() -> Service:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return Service((sys.executable, "-c", DEAF, str(port)), f"http://127.0.0.1:{port}/")


async def test_a_stop_that_is_cut_short_is_finished_by_close() -> None:
    services = Services()
    await services.ensure("r1", service())
    child = services._children["r1"]
    stopping = asyncio.create_task(services.stop("r1"))
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    assert child.returncode is None, "it does not listen to SIGTERM"
    await services.close()
    assert child.returncode is not None
