"""`--fix`: the exact line it would run, and who may run it. Nothing is installed here."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from harness_tui.cli.checks import apt
from harness_tui.domain.errors import SetupError


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Command lines instead of installations."""
    lines: list[list[str]] = []

    def record(argv: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        lines.append(argv)
        return subprocess.CompletedProcess(argv, 0)

    monkeypatch.setattr(apt.subprocess, "run", record)
    monkeypatch.setattr(apt, "system", lambda: "debian")
    return lines


def test_root_installs_at_once(ran: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    apt.install(["chromium", "libatomic1", "chromium"])
    line = "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium libatomic1"
    assert ran == [["sh", "-c", f"apt-get update && {line}"]]


def test_ubuntu_gets_a_browser_that_is_no_snap(ran: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(apt, "system", lambda: "ubuntu")
    apt.install(["chromium", "libatomic1"])
    assert " chromium libatomic1" not in ran[0][2]
    assert ran[0][2].endswith("-m playwright install-deps chromium")
    assert ran[1][-4:] == ["-m", "playwright", "install", "chromium"]


def test_others_are_shown_the_line(ran: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match=r"Run as root: apt-get update && .* chromium") as error:
        apt.install(["chromium"])
    assert error.value.exit_code == 78
    assert ran == []


def test_another_system_is_told_what_to_install(ran: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "system", lambda: "")
    with pytest.raises(SetupError, match="what Debian calls: chromium"):
        apt.install(["chromium"])
    assert ran == []
