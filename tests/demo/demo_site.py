"""A demo site as a child process, and a browser of twenty lines to walk it with."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import urlencode

ACCOUNT = {"HARNESS_TUI_DEMO_USER": "demo", "HARNESS_TUI_DEMO_PASSWORD": "right horse"}
RIGHT, WRONG = ("demo", "right horse"), ("demo", "wrong horse")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int, *, patience: float = 60.0) -> None:
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"nothing came up on port {port}")


class SiteProcess:
    """The site, started for real; the port and the state file survive it."""

    def __init__(self, folder: Path, variant: str = "normal") -> None:
        self.port, self.state, self.variant = free_port(), folder / "state.json", variant
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.argv, env={**os.environ, **ACCOUNT}, stderr=subprocess.PIPE)
        await_port(self.port)

    @property
    def argv(self) -> list[str]:
        given = ["--port", str(self.port), "--state", str(self.state), "--variant", self.variant]
        return [sys.executable, "-m", "harness_tui.demo.site", *given]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def visitor(self) -> Visitor:
        return Visitor(self.port)

    def __enter__(self) -> SiteProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)


class Visitor:
    """Keeps a cookie, follows redirects, and remembers where it ended."""

    def __init__(self, port: int) -> None:
        self.port, self.cookie, self.path, self.status, self.html = port, "", "", 0, ""

    def get(self, path: str) -> str:
        return self._ask("GET", path, None)

    def post(self, path: str, **fields: str) -> str:
        return self._ask("POST", path, urlencode(fields))

    def _ask(self, method: str, path: str, body: str | None) -> str:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            link.request(method, path, body, headers)
            answer = link.getresponse()
            if given := answer.getheader("Set-Cookie"):
                self.cookie = given.partition(";")[0]
            self.path, self.status, self.html = path, answer.status, answer.read().decode()
        finally:
            link.close()
        to = answer.getheader("Location")
        return self._ask("GET", to, None) if to else self.html

    # -- what the site's users do --------------------------------------------------------------------------------

    def stories(self) -> list[str]:
        return re.findall(r'<tr class="athing [a-z]*" id="(\d+)">', self.get("/news"))

    def voted(self) -> list[str]:
        return re.findall(r'href="vote\?id=(\d+)&amp;how=un', self.get("/news"))

    def click_arrow(self, story: str) -> str:
        found = re.search(rf'href="(vote\?id={story}&amp;how=up[^"]*)"', self.get("/news"))
        assert found, f"no arrow for {story}"
        return self.get("/" + found[1].replace("&amp;", "&"))

    def fill_login(self, user: str, password: str) -> str:
        """Send the first form of the page as it stands, hidden fields and all."""
        form = re.search(r'<form method="post" action="(\w+)">(.*?)</form>', self.html, re.S)
        assert form, f"no login form at {self.path}"
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[2]))
        return self.post("/" + form[1], acct=user, pw=password, **hidden)
