"""What one shell call would do: everything the card shows and the digest binds, gathered without doing any of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Literal

import msgspec

from ...domain.events import Fact
from ...domain.rules import Subject
from ...sandbox.base import FULL, Command, Guarantee, Sandbox
from ...sandbox.tree import Escape
from . import executables, places
from .bash import Script, parse, seen, unreadable
from .reads import Reading, prove
from .wrappers import unwrap

DEADLINE = 120.0
MAX_DEADLINE = 600.0
MAX_TEXT = 100 * 1024
"""Bytes of one word that every system starts a program with."""

_UNDOABLE: frozenset[Guarantee] = frozenset(("changes", "writes", "network", "controls"))
"""Where all that a command changes is in a worktree, which git can undo."""
_WALKERS = frozenset(("diff", "du", "egrep", "fd", "fdfind", "fgrep", "find", "grep", "rg", "tree"))
"""Programs that go down into folders by themselves, so that what is hidden below must be masked."""
_CONTROLS = "could reach this console's own controls"


class Plan(msgspec.Struct, frozen=True):
    """One call, made out. Equal plans do the same.

    Attributes:
        command: what is handed to the sandbox; None when it cannot be started: see `missing`.
        reads: the rule by which it is proven to read, or "".
        refusal: why it is refused whatever the rules say, by the built-in rule `why`; or "".
        unsafe: why no rule can allow it, or "".
    """

    subject: Subject
    facts: tuple[Fact, ...] = ()
    summary: str = ""
    risk: Literal["low", "med", "high"] = "high"
    command: Command | None = None
    missing: str = ""
    reads: str = ""
    refusal: str = ""
    why: str = ""
    unsafe: str = ""


def refused(tool: str, reason: str, why: str, *commands: tuple[str, ...]) -> Plan:
    return Plan(Subject(tool, commands), refusal=reason, why=why)


def read(sandbox: Sandbox, program: str, args: Iterable[str], cwd: str) -> Plan:
    """A program with its words, never through a shell; refused unless it is proven to read inside the workspace."""
    words = (program, *args)
    if hidden := next((why for word in (*words, cwd) if (why := unreadable(word))), ""):
        return refused("shell_read", f"{program} was not run: {hidden}.", "characters", words)
    proven = prove(words)
    if isinstance(proven, str):
        reason = f"Not proven to read: {proven} shell_exec runs what does more, under approval."
        return refused("shell_read", reason, "not proven to read", words)
    try:
        return reading(sandbox, "shell_read", proven, words, places.folder(sandbox.files, cwd), DEADLINE)
    except Escape as escape:
        return refused("shell_read", str(escape), "jail", words)


def reading(
    sandbox: Sandbox, tool: str, proven: Reading, words: tuple[str, ...], folder: places.Folder, deadline: float
) -> Plan:
    """A proven read, started without a shell. Raises Escape when one of its paths leaves the workspace."""
    files = sandbox.files
    paths = tuple(places.beneath(files, folder.path, path) for path in proven.paths)
    if proven.program in _WALKERS and "controls" not in sandbox.enforced:
        for path in paths or (folder.path,):
            if places.holds_hidden(files, path):
                raise Escape(f"{path or 'The workspace'} holds this program's own state.", "Name a folder beside it.")
    found = executables.find(proven.program)
    if found and found.real.startswith(f"{files.root}/"):
        raise Escape(f"{found.path} leads to {found.real}, which tools can write.", "Use another program.")
    facts = (
        Fact("runs", _line(proven.words)),
        Fact("cwd", folder.described),
        Fact("executables", _executable(proven.program)),
        Fact("environment", _environment(proven.env)),
        Fact("sandbox", sandbox.profile),
        Fact("deadline", f"{deadline:g} s"),
    )
    command = found and Command(proven.words, found.real, folder.path, proven.env, deadline)
    return Plan(
        Subject(tool, executables.named(words), paths),
        facts,
        f"{tool}: {shlex.join(words)}",
        "low",
        command,
        folder.problem or ("" if found else f"{proven.program} is not installed."),
        reads=proven.why,
    )


def execution(sandbox: Sandbox, text: str, cwd: str, timeout: float) -> Plan:
    """Bash text. One plain command that is proven to read is run as such; all else is bash's, and destructive."""
    tool = "shell_exec"
    if hidden := unreadable(text) or unreadable(cwd):
        return refused(tool, f"The command was not run: {hidden}.", "characters", *seen(text))
    if not timeout > 0:
        return refused(tool, f"A timeout of {timeout:g} s is none; give 1 to {MAX_DEADLINE:g}.", "characters")
    deadline = min(timeout, MAX_DEADLINE)
    script = parse(text)
    try:
        folder = places.folder(sandbox.files, cwd)
    except Escape as escape:
        return refused(tool, str(escape), "jail", *seen(text))
    if isinstance(script, str):
        why = f"not understood for sure: {script}"
    elif script.compound:
        why = f"it runs {len(script.commands)} commands"
    else:
        proven = prove(script.commands[0], strict=False)
        if isinstance(proven, Reading):
            try:
                return reading(sandbox, tool, proven, script.commands[0], folder, deadline)
            except Escape as escape:
                proven = str(escape)
        why = proven
    return _bash(sandbox, text, script, why, folder, deadline)


def _bash(sandbox: Sandbox, text: str, script: Script | str, why: str, folder: places.Folder, deadline: float) -> Plan:
    """`why` it is no proven read, for the card."""
    commands = script.commands if isinstance(script, Script) else seen(text)
    found = unwrap(commands)
    unsafe = why if isinstance(script, str) else found.why
    by_name = dict.fromkeys(each for words in found.commands for each in executables.named(words))
    programs = dict.fromkeys(words[0] for words in (commands if unsafe else found.commands))
    bash = executables.find("bash")
    facts = [
        Fact("command", text),
        Fact("runs", "\n".join(map(_line, commands)) or "nothing that could be read"),
        Fact("no plain read", unsafe or why),
        Fact("cwd", folder.described),
        Fact("bash", str(bash) if bash else "not installed"),
        Fact("executables", "\n".join(_executable(name) for name in list(programs)[:64])),
        Fact("environment", _environment({})),
        Fact("operands", "\n".join(places.operands(sandbox.files, folder.path, found.commands, text)) or "none"),
        Fact("sandbox", sandbox.profile),
        Fact("deadline", f"{deadline:g} s"),
    ]
    if "controls" not in sandbox.enforced:
        facts.append(Fact("warning", _CONTROLS))
    argv = ("bash", "--norc", "--noprofile", "-c", "--", text)
    too_long = len(text.encode("utf-8", "replace")) > MAX_TEXT
    missing = f"The command is longer than {MAX_TEXT // 1024} KiB; write it to a file and run that." if too_long else ""
    missing = missing or folder.problem or ("" if bash else "bash is not installed.")
    return Plan(
        Subject(
            "shell_exec",
            tuple(by_name),
            mentions=places.mentions(sandbox.files, folder.path, found.commands, text),
            understood=not unsafe,
        ),
        tuple(facts),
        f"shell_exec: {text}",
        "med" if sandbox.enforced >= _UNDOABLE else "high",
        Command(argv, bash.real, folder.path, {}, deadline) if bash and not missing else None,
        missing,
        unsafe=unsafe,
    )


def enclosed(sandbox: Sandbox) -> bool:
    """Whether whatever a child does stays inside the sandbox."""
    return sandbox.enforced >= FULL


def _executable(name: str) -> str:
    return f"{name}: {executables.find(name) or 'not among the pinned programs'}"


def _environment(env: dict[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in sorted(env.items())) or "nothing beyond the clean set"


def _line(words: Iterable[str]) -> str:
    """A command on one line: a line feed within a word must not look like the next command."""
    return shlex.join(words).replace("\n", "\\n")
