"""The file tools of a run: what each call would touch, and how it is done."""

from __future__ import annotations

import asyncio
import errno
import io
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

from ...domain.errors import HarnessError
from ...domain.messages import ToolCall
from ...domain.policy import Weighed
from ...domain.rules import Subject
from ...domain.seams import ToolOutcome
from ...domain.task import Level
from ...sandbox.base import Sandbox
from ...sandbox.tree import Escape, TooLarge, Tree, parts_of
from ..box import Toolbox
from ..tool import tool
from .card import carded
from .change import Change, digest, planned
from .listing import base_of, globbed, listed
from .reading import PAGE, WHOLE, page
from .searching import search, searched

RESULT = "result:"
"""Begins the path of an earlier result that was too long."""
REMEMBERED = 16
"""Planned changes kept for calls that were judged and may still run."""
_WRITES = ("write_file", "edit_file")
_READ_RESULTS = ("read_file", "grep")
_WHY = {Escape: "jail", TooLarge: "size"}

Spilled = Callable[[str], Awaitable[bytes]]
"""The whole text of an earlier result, by `result:NAME`; raises HarnessError for one that is none of this run."""

_call: ContextVar[str] = ContextVar("_call", default="")
"""Id of the call a tool of the box is in."""
_kept: ContextVar[bytes] = ContextVar("_kept", default=b"")
"""The earlier result that call reads."""


class FileBox(Toolbox):
    """Files of the sandbox's tree.

    Args:
        sandbox: its `files` may be another tree once it is open; None = the run has no workspace.
        spilled: reads earlier results that were too long; None = there are none.
    """

    session = "workspace"

    def __init__(self, sandbox: Sandbox | None, *, spilled: Spilled | None = None) -> None:
        super().__init__()
        self._sandbox, self._spilled = sandbox, spilled
        self._opened = False
        self._seen: dict[str, str] = {}  # real path -> digest of what the model has read or written
        self._planned: OrderedDict[str, Change] = OrderedDict()

    async def open(self) -> None:
        self._opened = True

    @tool(risk="read_only")
    def read_file(
        self, path: str, offset: int = 1, limit: int = 2000, byte_offset: int | None = None, max_bytes: int = PAGE
    ) -> ToolOutcome:
        """Read a text file, a page at a time; the page says how to go on when more follows.

        Args:
            path: relative to the workspace, as in src/app.py; or result:NAME of an earlier result that was cut.
            offset: first line, counted from 1.
            limit: lines at most.
            byte_offset: begin at this byte instead of a line.
            max_bytes: bytes at most.
        """
        if path.startswith(RESULT):
            kept = io.BytesIO(_kept.get())
            return _answer(path, lambda: page(kept, path, offset, limit, byte_offset, max_bytes))
        return _answer(path, lambda: self._page(path, offset, limit, byte_offset, max_bytes))

    @tool(risk="read_only")
    def list_dir(self, path: str = ".") -> ToolOutcome:
        """List a directory: kind, size in bytes and name of each entry, hidden files included.

        Args:
            path: relative to the workspace.
        """
        return _answer(path, lambda: listed(self.tree, path))

    @tool(risk="read_only")
    def glob(self, pattern: str) -> ToolOutcome:
        """Find paths by pattern: * and ? stay within a name, ** spans folders, [a-z] is one of these.

        .git, node_modules, target, .venv and __pycache__ are not entered unless the pattern begins in them.

        Args:
            pattern: relative to the workspace, as in src/**/*.py.
        """
        return _answer(pattern, lambda: globbed(self.tree, pattern))

    @tool(risk="read_only")
    def grep(self, pattern: str, path: str = ".", include: str | None = None, ignore_case: bool = False) -> ToolOutcome:
        """Find lines that match a regular expression (Python's): path:line:text of each. Binary files are skipped.

        Args:
            pattern: searched in each line on its own.
            path: a file, a folder with all below it, or result:NAME of an earlier result that was cut.
            include: only files whose name matches, as in *.py, or whose path does, as in src/**/*.py.
            ignore_case: whether case counts for nothing.
        """
        if path.startswith(RESULT):
            kept = [(path, _kept.get())]
            return _answer(path, lambda: searched(kept, pattern, ignore_case=ignore_case))
        return _answer(path, lambda: search(self.tree, path, pattern, include, ignore_case))

    @tool(risk="destructive")
    def write_file(self, path: str, content: str) -> ToolOutcome:
        """Write a whole text file, making its folders. Read a file before you replace it; edit_file changes a part.

        Args:
            path: relative to the workspace.
            content: all of the new text.
        """
        return self._write("write_file", {"path": path, "content": content})

    @tool(risk="destructive")
    def edit_file(self, path: str, old_string: str, new_string: str, replace_all: bool = False) -> ToolOutcome:
        """Replace text in a file. old_string must be in it exactly once, spaces and line breaks included.

        Args:
            path: relative to the workspace.
            old_string: the text to replace, with enough lines around it to be unique.
            new_string: what stands there afterwards.
            replace_all: replace every occurrence.
        """
        given = {"path": path, "old_string": old_string, "new_string": new_string, "replace_all": replace_all}
        return self._write("edit_file", given)

    async def weigh(self, call: ToolCall, level: Level) -> Weighed:
        given = call.arguments
        try:
            if _reads_result(call):
                return Weighed(self.proposal(call, "read_only", "low"), Subject(call.name), sandboxed=True)
            if call.name in _WRITES:
                return await self._weigh_write(call, level)
            path = base_of(given["pattern"]) if call.name == "glob" else given.get("path", ".")
            paths = await asyncio.to_thread(self._touched, path)
            return Weighed(self.proposal(call, "read_only", "low"), Subject(call.name, paths=paths), sandboxed=True)
        except (Escape, TooLarge) as error:
            risk = self.tools[call.name].spec.risk
            subject = Subject(call.name, paths=(str(given.get("path", given.get("pattern", "."))),))
            return Weighed(self.proposal(call, risk, "high"), subject, refusal=str(error), why=_WHY[type(error)])

    async def perform(self, call: ToolCall) -> ToolOutcome:
        _call.set(call.id)
        if _reads_result(call):
            try:
                _kept.set(await self._result(call.arguments["path"]))
            except HarnessError as error:
                return ToolOutcome(False, str(error))
        return await super().perform(call)

    async def _result(self, name: str) -> bytes:
        if self._spilled is None:
            raise HarnessError(f"There is no {name}.", "Only a result that was cut has such a name.")
        return await self._spilled(name)

    @property
    def tree(self) -> Tree:
        """Raises Escape when the run has none."""
        if self._sandbox is None:
            raise Escape("This run has no workspace.", "Work without files.")
        return self._sandbox.files

    def _touched(self, path: str) -> tuple[str, ...]:
        """The path as named and as it really is, so that a rule holds for a file under any name."""
        plain = "/".join(parts_of(path)) or "."
        try:
            return tuple(dict.fromkeys((plain, self.tree.real(path) or ".")))
        except OSError:  # it does not exist, or cannot be reached: the call will say so
            return (plain,)

    def _page(self, path: str, offset: int, limit: int, byte_offset: int | None, max_bytes: int) -> str:
        real = self.tree.real(path)
        with self.tree.open(path) as file:
            text = page(file, "/".join(parts_of(path)), offset, limit, byte_offset, max_bytes)
            if os.fstat(file.fileno()).st_size <= WHOLE:
                file.seek(0)
                self._seen[real] = digest(file.read())
        return text

    async def _weigh_write(self, call: ToolCall, level: Level) -> Weighed:
        change = await asyncio.to_thread(self._plan, call.name, call.arguments, level)
        self._planned[call.id] = change
        while len(self._planned) > REMEMBERED:
            self._planned.popitem(last=False)
        subject = Subject(call.name, paths=tuple(dict.fromkeys((change.path, change.real))))
        # A call that changes nothing needs nobody's leave; before a session there is nothing yet to hold it against.
        idle = change.idle and self._opened
        card = await asyncio.to_thread(carded, change, level)
        summary = f"{call.name} {change.path} {card.told}".rstrip()
        return Weighed(
            self.proposal(call, "destructive", card.risk, card.facts, summary),
            subject,
            free=idle,
            refusal="" if idle else card.refusal,
            why="it changes nothing" if idle else "too long" if card.refusal else "",
            sandboxed=True,
        )

    def _plan(self, name: str, arguments: Mapping[str, Any], level: Level = "L2") -> Change:
        """Raises Escape, TooLarge."""
        change = planned(self.tree, name, arguments)
        if change.problem or change.before is None or not self._opened:
            return change
        seen = self._seen.get(change.real)
        if seen is not None and seen != digest(change.before):
            why = f"{change.path} was changed by somebody else since you read it; read it again"
        elif seen is None and name == "write_file" and level == "L3":  # at L2 an operator reads the change
            why = f"{change.path} exists; read it before you replace it"
        else:
            return change
        return Change(change.path, change.real, change.before, problem=why)

    def _write(self, name: str, given: Mapping[str, Any]) -> ToolOutcome:
        change = self._planned.pop(_call.get(), None)
        return _answer(given["path"], lambda: self._carry_out(change or self._plan(name, given)))

    def _carry_out(self, change: Change) -> str:
        if change.after is None:
            raise HarnessError(f"Nothing was written: {change.problem}.")
        if change.after == change.before:
            return f"{change.path} already holds exactly this; nothing was written."
        self.tree.replace(f"./{change.path}", change.after, expected=digest(change.before), real=change.real)
        self._seen[change.real] = digest(change.after)
        diff = change.diff
        places = f"{change.places} replacement{'' if change.places == 1 else 's'}, " if change.places else ""
        made = "New file" if change.before is None else "Changed"
        return f"{made} {change.path}: {places}+{diff.added} -{diff.removed} lines, now {len(change.after)} bytes."


def _reads_result(call: ToolCall) -> bool:
    return call.name in _READ_RESULTS and str(call.arguments.get("path")).startswith(RESULT)


def _answer(path: str, work: Callable[[], str]) -> ToolOutcome:
    """What the model reads: the text, or one sentence on what went wrong."""
    try:
        return ToolOutcome(True, work())
    except HarnessError as error:
        return ToolOutcome(False, str(error))
    except OSError as error:
        return ToolOutcome(False, _sentence(path, error))


def _sentence(path: str, error: OSError) -> str:
    match error.errno:
        case errno.ENOENT:
            return f"There is no {path}; list_dir and glob show what there is."
        case errno.EISDIR:
            return f"{path} is a directory; list_dir lists it."
        case errno.ENOTDIR:
            return f"{path} is not a directory, or lies below a file."
        case errno.ENOSPC | errno.EDQUOT:
            return f"The disk is full: {path} was not written and is as it was."
        case _:
            return f"{path}: {error.strerror}."
