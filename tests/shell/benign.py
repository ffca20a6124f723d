"""How often an everyday reading command would be asked about: `python -m tests.shell.benign`."""

from __future__ import annotations

import posixpath
import shlex
from pathlib import Path

from harness_tui.tools.shell.bash import Script, parse
from harness_tui.tools.shell.reads import Reading, prove

COMMANDS = tuple(Path(__file__).with_name("benign.txt").read_text("utf-8").splitlines())


def asked(command: str, *, strict: bool) -> str:
    """Why it would be asked about, its paths judged by their text alone; "" when it would run.

    Args:
        strict: as the words of shell_read, not as a text for shell_exec.
    """
    found = prove(shlex.split(command)) if strict else _of_text(parse(command))
    if isinstance(found, str):
        return found
    away = [path for path in found.paths if path[:1] in ("/", "~") or posixpath.normpath(path).split("/")[0] == ".."]
    return f"{away[0]} is outside the workspace" if away else ""


def _of_text(script: Script | str) -> Reading | str:
    if isinstance(script, str):
        return f"not understood for sure: {script}"
    return "more than one command" if script.compound else prove(script.commands[0], strict=False)


def rate(*, strict: bool) -> tuple[float, dict[str, str]]:
    """The share of commands that are asked about, and why each of them is."""
    reasons = {command: reason for command in COMMANDS if (reason := asked(command, strict=strict))}
    return len(reasons) / len(COMMANDS), reasons


if __name__ == "__main__":
    for named, strict in (("shell_exec", False), ("shell_read", True)):
        share, reasons = rate(strict=strict)
        print(f"{named}: {len(reasons)} of {len(COMMANDS)} everyday reads are asked about ({share:.1%})")
        for command, reason in reasons.items():
            print(f"  {command}\n      {reason}")
