"""What calls would come to, without doing them: weighed and judged as in a run, in worlds that are never opened."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from ..config.paths import Paths
from ..config.vault import Stores
from ..domain import events as ev
from ..domain.approval import Judgement, action_digest
from ..domain.errors import HarnessError, UsageError
from ..domain.events import Envelope, root_of
from ..domain.messages import ToolCall, ToolSpec
from ..domain.policy import Weighed, judge
from ..domain.rules import Example, Rule, Subject, Where
from ..domain.seams import EnvironmentLost
from ..domain.task import BUILT_IN_TOOLS, ModelSpec, RunSpec, TaskFile
from ..journal.blobs import BlobStore
from ..tools.environment import RunEnvironment
from . import worlds

NO_MODEL = ModelSpec("none", "none")


@dataclass(frozen=True, slots=True)
class Past:
    """A call of an earlier run: what it was, in which run, and what became of it (allow, ask or refuse)."""

    stream: str
    spec: RunSpec
    call: ToolCall
    verdict: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """A past call held against new rules: the judgement it would get without them and with them.

    `error`: why it cannot be weighed any more (its workspace is gone), or "".
    """

    past: Past
    before: Judgement
    after: Judgement
    error: str = ""


class Rehearsal:
    """Use it as a context manager. Starts no engine, opens nothing, creates nothing.

    Args:
        rules, used: those in force, as the journal has them.
        trusts: whether plug-ins of a workspace are there.
    """

    def __init__(
        self,
        paths: Paths,
        rules: Sequence[Rule] = (),
        used: Mapping[str, int] | None = None,
        trusts: Callable[[str, str], bool] = lambda *_: False,
    ) -> None:
        self.rules = rules
        self.used = dict(used or {})
        self.trusts = trusts
        environ = dict(os.environ)
        self._sources = worlds.Sources(
            Stores.of(paths.home, environ),
            environ,
            BlobStore(paths.blobs),
            paths=paths,
            trusts=lambda path, digest: self.trusts(path, digest),
            rules=lambda: self.rules,
            used=lambda _: self.used,
        )
        self._worlds: dict[tuple[str, bytes], RunEnvironment] = {}
        self._runner = asyncio.Runner()

    def __enter__(self) -> Rehearsal:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.close()

    def judge(self, spec: RunSpec, call: ToolCall) -> Judgement:
        """What a run of `spec` would hear of the call."""
        return self._runner.run(self._world("check", spec).judge(call, spec.task.level))

    def weigh(self, spec: RunSpec, call: ToolCall) -> Weighed:
        """What the call would do. Raises UsageError for one that is not well formed."""
        weighed = self._runner.run(self._world("check", spec).weigh(call, spec.task.level))
        if isinstance(weighed, Judgement):
            raise UsageError(weighed.reason)
        return weighed

    def subject(self, spec: RunSpec, example: Example) -> Subject:
        """What an example of a rule would touch, its action's digest included. Raises UsageError."""
        weighed = self.weigh(spec, ToolCall("example", example.tool, example.args))
        return msgspec.structs.replace(weighed.subject, action=action_digest(weighed.proposal))

    def specs(self, workspace: str) -> dict[str, ToolSpec]:
        """The built-in tools of a run in the workspace, by name."""
        return {spec.name: spec for spec in self._world("check", anywhere(workspace)).tools}

    def replay(self, past: Iterable[Past], new: Sequence[Rule]) -> list[Replayed]:
        """Each past call as it would be judged now, with the new rules (which carry ids) and without them."""
        spent = dict(self.used)
        return [self._replayed(each, new, spent) for each in past]

    def _replayed(self, past: Past, new: Sequence[Rule], spent: dict[str, int]) -> Replayed:
        level, where = past.spec.task.level, Where(past.spec.workspace, root_of(past.stream), time.time_ns() // 1000)
        try:
            world = self._world(root_of(past.stream), past.spec)
            weighed = self._runner.run(world.weigh(past.call, level))
        except (HarnessError, OSError, EnvironmentLost) as error:
            nothing = Judgement("refuse", reason=str(error))
            return Replayed(past, nothing, nothing, str(error))
        if isinstance(weighed, Judgement):
            return Replayed(past, weighed, weighed)
        before = judge(weighed, level, self.rules, where, self.used)
        after = judge(weighed, level, [*self.rules, *new], where, spent)
        if after.verdict == "allow":
            spent.update({each: spent.get(each, 0) + 1 for each in after.rule.split() if each in {r.id for r in new}})
        return Replayed(past, before, after)

    def _world(self, uid: str, spec: RunSpec) -> RunEnvironment:
        key = uid, msgspec.json.encode(spec)
        if key not in self._worlds:
            world = worlds.environment(spec, uid, worlds.vault(spec, {}, self._sources), self._sources, rehearsed=True)
            assert isinstance(world, RunEnvironment)
            self._worlds[key] = world
        return self._worlds[key]


def anywhere(workspace: str, tools: Sequence[str] = BUILT_IN_TOOLS) -> RunSpec:
    """A run of no task in a workspace, with all tools: where a rule's examples are weighed."""
    return RunSpec(TaskFile("check", tools=tuple(tools)), NO_MODEL, workspace=workspace)


def past(events: Iterable[Envelope]) -> list[Past]:
    """The calls of earlier runs whose fate is on record, oldest first."""
    specs: dict[str, RunSpec] = {}
    asked: dict[tuple[str, str], ToolCall] = {}
    fates: dict[tuple[str, str], str] = {}
    found: list[tuple[str, ToolCall]] = []
    for envelope in events:
        stream, event = envelope.run, envelope.event
        match event:
            case ev.RunStarted(spec=spec):
                specs[stream] = spec
            case ev.ModelAnswered(parts=parts):
                for call in (part for part in parts if isinstance(part, ToolCall)):
                    asked[stream, call.id] = call
                    found.append((stream, call))
            case ev.ApprovalRequested(call=ident, kind="action"):
                fates[stream, ident] = "ask"
            case ev.ToolStarted(call=ident):
                fates.setdefault((stream, ident), "allow")
            case ev.ToolRefused(call=ident):
                fates.setdefault((stream, ident), "refuse")
    return [
        Past(stream, specs[root_of(stream)], call, fates[stream, call.id])
        for stream, call in found
        if (stream, call.id) in fates and root_of(stream) in specs and asked[stream, call.id] is call
    ]
