"""A Secret Service of one test, and the program run inside its session."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness_tui.config.paths import Paths
from harness_tui.config.vault.known import VENDORS
from harness_tui.config.vault.os_keyring import Keyring

from ..cli.program import ARGV, PATIENCE, Done
from ..secret_service import SecretService, secret_service

Key = Callable[..., Done]
"""`key("set", "NAME", typed="value\\n")`: run `harness-tui key ...` (or, `verb=`, another verb) to its end."""


@pytest.fixture(autouse=True)
def no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test meets neither the operator's session nor his variables."""
    for name in (*VENDORS, "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "HARNESS_TUI_KEY_COMMAND"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _unhurried_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring that is slow to answer on a loaded machine is none that hangs; what hangs here says how long."""
    monkeypatch.setitem(Keyring.__init__.__kwdefaults__, "patience", 60.0)


@pytest.fixture
def session(tmp_path: Path, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretService]:
    """A session with a bus, this process in it; the keyring's daemon is started by `unlock`."""
    with secret_service(tmp_path / "user", program) as service:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", service.environ["DBUS_SESSION_BUS_ADDRESS"])
        yield service


@pytest.fixture
def key(home: Paths) -> Key:
    def run(*words: str, typed: str = "", verb: str = "key", **more: str) -> Done:
        env = {**os.environ, "HARNESS_TUI_HOME": str(home.home), **more}
        done = subprocess.run(
            [*ARGV, verb, *words], env=env, input=typed, capture_output=True, text=True, timeout=PATIENCE
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run
