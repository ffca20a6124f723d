"""Carries out what the model asks for: commands through the port, clipboard, files, themes, the way out."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import copy
from functools import partial
from pathlib import Path
from typing import Protocol

from ..domain.errors import HarnessError, LinkLost, UsageError
from ..domain.safetext import safe
from ..port.commands import AnyCommand, Decide, EditApproval
from ..port.port import EnginePort
from . import dag_wants, editing, editor, graphs, notice, papers
from . import intents as want
from .arming import Subject
from .intents import Intent
from .model import Model
from .pace import Pace
from .stores import fires
from .stores.papers import lay
from .terminal import set_clipboard

ROUNDS = 200
"""Rounds of a loop that are fetched."""
Launch = Callable[[Intent], AnyCommand]
"""Turns `StartDemo`, `RunTask`, `LoadLoop` or `LoadDag` into a command, in a thread; may read files and raise
HarnessError."""


class Stage(Protocol):
    """What the performer needs of the app."""

    @property
    def port(self) -> EnginePort | None: ...

    def leave(self, code: int) -> None: ...

    def send_to_terminal(self, data: str) -> None: ...

    def repaint(self) -> None: ...

    def paint(self) -> bool: ...

    def use_theme(self, name: str) -> None: ...

    def resync(self) -> None: ...

    def want_picture(self, wish: want.FetchFrame) -> None: ...

    def action_suspend_process(self) -> None: ...

    def lent(self) -> AbstractContextManager[None]:
        """The terminal is another program's as long as this holds."""
        ...


class Performer:
    """Performs intents; whatever takes time runs as a task, and its outcome is a notice of the model."""

    def __init__(self, stage: Stage, model: Model, pace: Pace, *, launch: Launch | None, exports: Path) -> None:
        self._stage, self._model, self._pace = stage, model, pace
        self._launch, self._exports = launch, exports
        self._tasks: set[asyncio.Task[None]] = set()

    def perform(self, intents: list[Intent]) -> None:
        for intent in intents:
            self._one(intent)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _one(self, intent: Intent) -> None:
        match intent:
            case want.Send(command):
                self._start(self._send(command))
            case want.SendBatch(decisions):
                self._start(self._send_batch(decisions))
            case want.SendEdit(edit):
                self._start(self._send_edit(edit))
            case want.EditText():
                self._start(self._edit(intent))
            case want.FetchPaper() | want.LayPaper():
                self._start(self._paper(intent))
            case want.StartDemo() | want.RunTask() | want.LoadDag():
                self._start(self._begin(intent))
            case want.FetchFrame():
                self._stage.want_picture(intent)
            case want.Detach():
                self._stage.leave(0)
            case want.Copy(text):
                sequence, length = set_clipboard(text)
                self._stage.send_to_terminal(sequence)
                self._model.notice(f"copied {length} characters")
            case want.Export(name, text):
                self._start(self._export(name, text))
            case want.Repaint():
                self._stage.repaint()
            case want.Resync():
                self._stage.resync()
            case want.Suspend():
                self._stage.action_suspend_process()
            case want.LoadLoop():
                self._start(self._load(intent))
            case want.FetchLoop(what, loop):
                self._start(self._fetch(what, loop))
            case want.PlanFires(plans):
                self._start(self._plan(plans))
            case want.FetchDag() | want.LayDag() | want.AnalyseDag() | want.FetchAttempt():
                self._start(self._graph(intent))
            case want.Ring(text):
                if sequence := notice.sequence(text, self._model.notices.mode, os.environ):
                    self._stage.send_to_terminal(sequence)
            case want.UseTheme(name):
                self._use_theme(name)
            case want.Pace(fps):
                self._pace.wish = float(fps) if fps > 0 else None

    def _start(self, work: object) -> None:
        task = asyncio.ensure_future(self._told(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _told(self, work: object) -> None:
        """Await the work and show what it came to; a refusal is a sentence, never a crash."""
        try:
            text, bad = await work, False  # type: ignore[misc]
        except HarnessError as error:
            text, bad = str(error), True
        except OSError as error:
            text, bad = f"The file cannot be written: {error.strerror}.", True
        if text:
            self._model.notice(text, bad=bad)
        self._stage.paint()

    async def _send(self, command: AnyCommand) -> str:
        port = self._stage.port
        if port is None:
            raise LinkLost("There is no link to the engine; nothing was sent.")
        return (await port.send(command)).text

    async def _send_batch(self, decisions: tuple[Decide, ...]) -> str:
        """Each in order; one that is refused stops no other."""
        refused = 0
        for decision in decisions:
            try:
                text, bad = await self._send(decision), False
            except HarnessError as error:
                text, bad, refused = f"refused: {error}", True, refused + 1
            self._model.cards.batch_said(decision.approval, text, bad=bad)
            self._stage.paint()
        self._model.cards.batch_over()
        said = f"{len(decisions) - refused} of {len(decisions)} approved"
        return f"{said}; {refused} refused: the card says why." if refused else f"{said}."

    async def _send_edit(self, edit: EditApproval) -> str:
        try:
            return await self._send(edit)
        except HarnessError as error:
            raise type(error)(error.what, f"{error.next_step}{editing.KEPT}".strip()) from None

    async def _edit(self, wish: want.EditText) -> str:
        """Lend the terminal to the operator's editor, and take back what he made of the text."""
        text: str | None = None
        problem = ""
        with self._stage.lent():
            try:
                text, problem = await editor.edit(wish.text, wish.suffix, os.environ)
            except HarnessError as error:
                problem = str(error)
            except OSError as error:
                problem = f"No file for the editor can be made: {error.strerror}."
        self.perform(editing.back(self._model, wish.subject, text, problem))
        return ""

    async def _paper(self, wish: want.FetchPaper | want.LayPaper) -> str:
        """What a card shows beyond its row; what cannot be had is said on the card, not as a notice."""
        if isinstance(wish, want.LayPaper):
            sheets = await asyncio.to_thread(lay, wish.paper, wish.width, wish.rule)
            self._model.cards.take_sheets(wish.subject, wish.width, wish.paper, sheets)
            return ""
        subject = Subject(wish.row.id, wish.row.digest)
        self._model.cards.take_paper(subject, await papers.read(self._stage.port, wish.row))
        return ""

    async def _begin(self, intent: Intent) -> str:
        if self._launch is None:
            raise HarnessError("This console cannot start runs.", "Use `harness-tui run` or `harness-tui demo`.")
        return await self._send(await asyncio.to_thread(self._launch, intent))

    async def _load(self, intent: want.LoadLoop) -> str:
        words = [*(["--pattern"] if intent.pattern else []), intent.source, *(["--fast"] if intent.fast else [])]
        try:
            return await self._begin(intent)
        except UsageError as error:
            raise UsageError(
                error.what, error.next_step or f"In a shell: harness-tui loop add {shlex.join(words)}"
            ) from None

    async def _fetch(self, what: str, loop: str) -> str:
        """Give the model what of a loop is not in its row; what cannot be had is said in its place, not as a notice."""
        loops, world, port = self._model.loops, self._model.world, self._stage.port
        try:
            if port is None:
                raise LinkLost("There is no link to the engine.")
            if what == "spec":
                loops.take_spec(world, await port.loop(loop))
                return ""
            if what == "why" and loop not in world.views.specs:
                loops.take_spec(world, await port.loop(loop))
            loops.take_rounds(loop, await port.rounds(loop, ROUNDS))
        except HarnessError as error:
            loops.trouble[loop] = str(error)
        if what in ("why", "preview") and (row := world.views.loops.get(loop)):
            work = fires.preview if what == "preview" else partial(fires.why, world.views.specs.get(loop))
            facts = await asyncio.to_thread(work, copy(row), loops.rounds(world, loop), self._model.now())
            loops.take_card(what, loop, facts)
        self._model.sync()
        return ""

    async def _plan(self, plans: tuple[fires.Plan, ...]) -> str:
        self._model.loops.planned(await asyncio.to_thread(fires.upcoming, plans, self._model.now()))
        return ""

    async def _graph(self, wish: graphs.Wish) -> str:
        """What of a graph is worked out away from the screen, and then what that leads to."""
        await graphs.perform(self._model.dags, self._stage.port, wish)
        self._model.sync()
        self.perform(dag_wants.missing(self._model))
        return ""

    async def _export(self, name: str, text: str) -> str:
        path = await asyncio.to_thread(write_new, self._exports / Path(name).name, text)
        return f"written: {path}"

    def _use_theme(self, name: str) -> None:
        try:
            self._stage.use_theme(name)
        except HarnessError as error:
            self._model.notice(str(error), bad=True)


def write_new(path: Path, text: str) -> Path:
    """Write safe text to a file that did not exist (`name.2` when it did), readable by its owner only."""
    for number in range(1, 1000):
        target = path if number == 1 else path.with_name(f"{path.name}.{number}")
        try:
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(safe(text, newlines=True))
        return target
    raise FileExistsError(17, "too many files of that name", str(path))
