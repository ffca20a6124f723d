"""Fake endpoints of every family from one real process (the npm package @copilotkit/aimock) on a port of its own."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness_tui.cli.checks import node

BASES = {"openai-chat": "/v1", "openai-responses": "/v1", "anthropic": "", "gemini": "/v1beta"}
"""What each family's `--url` is on this server."""
FAMILIES = tuple(BASES)


class Mock:
    """The running server.

    Attributes:
        origin: `http://127.0.0.1:PORT`.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def url(self, family: str) -> str:
        return self.origin + BASES[family]

    def faults(self, **rates: float) -> None:
        """`drop`, `malformed`, `disconnect`, `rateLimit`: chances from 0 to 1 from now on; none = no faults."""
        self._ask("DELETE", "/__aimock/chaos")
        if rates:
            self._ask("POST", "/__aimock/chaos", {f"{name}Rate": rate for name, rate in rates.items()})

    def journal(self) -> list[Any]:
        """Every request it saw, oldest first."""
        found: list[Any] = self._ask("GET", "/__aimock/journal?limit=500")
        return found

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.origin + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@contextmanager
def running(folder: Path, fixtures: list[dict[str, Any]]) -> Iterator[Mock]:
    """Start it with these fixtures and end it afterwards. Fails with the remedy when it is not installed."""
    found = node.aimock()
    assert found.ok, f"{found.detail} {found.remedy}"
    (folder / "fixtures.json").write_text(json.dumps({"fixtures": fixtures}))
    program = [node.node() or "node", str(node.SCRIPT), "-p", "0", "-c", "3", "-f", str(folder / "fixtures.json")]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        try:
            yield Mock(_origin(child))
        finally:
            child.terminate()
            child.communicate(timeout=60)


def _origin(child: subprocess.Popen[str]) -> str:
    assert child.stdout
    said = []
    for line in child.stdout:
        said.append(line)
        if "http://" in line:
            return "http://" + line.partition("http://")[2].split()[0].rstrip("/")
    raise AssertionError("".join(said))
