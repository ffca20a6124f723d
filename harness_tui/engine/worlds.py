"""From a run's spec to its vault, its model and its world: the only place that picks implementations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.clock import SystemClock
from ..config.paths import Paths
from ..config.secret_variables import is_secret
from ..config.tariff import Tariff
from ..config.vault import Ladder, Stores
from ..domain.dag.spec import DagSpec
from ..domain.errors import CredentialError, UsageError
from ..domain.events import root_of
from ..domain.redaction import Redaction, distinctive
from ..domain.rules import Rule, Where
from ..domain.seams import Blobs, Clock, Model, Vault
from ..domain.task import (
    BROWSER_TOOLS,
    BUILT_IN_TOOLS,
    FILE_TOOLS,
    LOOP_TOOLS,
    PLAN_TOOLS,
    SHELL_TOOLS,
    WEB_TOOLS,
    ModelSpec,
    RunSpec,
    TaskFile,
)
from .services import read_env_file

if TYPE_CHECKING:
    from ..sandbox.base import Sandbox
    from ..tools.box import Toolbox
    from ..tools.environment import RunEnvironment
    from ..tools.web.search import Searches

Spilled = Callable[[str], Awaitable[bytes]]
"""The whole text of an earlier, long result of the run, by `result:NAME`."""


_ACTING = ("write_file", "edit_file", "shell_exec")


@dataclass(slots=True)
class Sources:
    """What all runs of an engine draw from.

    Attributes:
        environ: this process's variables, the secret ones included, which its children do not get.
        redaction: learns every secret before it is used.
        prices: the operator's own, by model.
        dropped: parameters an endpoint is known to refuse, by its name.
        rules: the operator's as they are now.
        used, claim: of a world (its session): how often each rule has allowed a call, and which are about to.
        trusts: whether the operator trusts a workspace with exactly the content of that hash.
        searxng: the operator's own search engine, or "".
    """

    stores: Stores
    environ: Mapping[str, str]
    blobs: Blobs
    paths: Paths = field(default_factory=Paths.default)
    clock: Clock = field(default_factory=SystemClock)
    rules: Callable[[], Sequence[Rule]] = tuple
    used: Callable[[str], Mapping[str, int]] = lambda _: {}
    claim: Callable[[str, str], None] = lambda *_: None
    trusts: Callable[[str, str], bool] = lambda *_: False
    searxng: str = ""
    redaction: Redaction = field(default_factory=Redaction)
    prices: Mapping[str, Tariff] = field(default_factory=dict)
    dropped: Callable[[str], Collection[str]] = lambda _: ()

    def learn(self, variables: Mapping[str, str]) -> None:
        """Hide the secrets among these from now on, also where nobody has asked for them yet (a pasted prompt)."""
        for name, value in variables.items():
            if is_secret(name):
                self.hide(value)

    def hide(self, value: str) -> None:
        """In every run, from now on. What is also a word is hidden by the browser session it was typed in, not here."""
        if distinctive(value):
            self.redaction.add([value])


def vault(spec: RunSpec, secrets: Mapping[str, str], sources: Sources) -> Vault:
    """What was handed over with the run, then the ladder, in which the service's file goes before our variables."""
    handed = read_env_file(spec.service.env_file) if spec.service else {}
    return Ladder(sources.stores, handed, sources.environ, given=secrets, on_secret=sources.hide)


def read_keys(spec: RunSpec, secrets: Vault) -> None:
    """Read the keys of a run before it is written down, so that one pasted into its prompt is hidden there too.

    What is missing is said when it is needed. May wait for a keyring.
    """
    mains = [spec.model, *spec.roles.values()]
    for each in [*mains, *(leg for main in mains for leg in main.fallbacks)]:
        if each.key:
            with suppress(CredentialError):
                secrets.secret(each.key, each.url)


def learn_of_graph(spec: DagSpec, given: Mapping[str, str], sources: Sources) -> None:
    """Hide what was handed over with a graph, and the keys of its models, before it is written down."""
    sources.learn(given)
    for each in spec.models.values():
        asking = RunSpec(TaskFile("-", tools=()), each)
        read_keys(asking, vault(asking, given, sources))


def model(spec: RunSpec, secrets: Vault, sources: Sources, role: str = "main") -> Model:
    """The run's model of a role, behind a router if it has fallbacks; imports no SDK yet. May wait for a keyring."""
    if spec.script:
        from ..models.script import ScriptModel

        return ScriptModel(spec.script)
    from ..models import api, router

    def leg(one: ModelSpec) -> Model:
        built = api.from_spec(one, secrets, overrides=sources.prices)
        if endpoint := getattr(built, "endpoint", ""):
            built.dropped.update(sources.dropped(endpoint))  # type: ignore[attr-defined]
        return built

    return router.from_spec(router.of_role(spec, role), leg)


def environment(
    spec: RunSpec,
    session: str,
    secrets: Vault,
    sources: Sources,
    *,
    spilled: Spilled | None = None,
    own_search: Searches | None = None,
    rehearsed: bool = False,
) -> RunEnvironment:
    """The run's world, not yet open: its sandbox, and the boxes its tools are in behind one judgement.

    May wait for a sandbox to be tried out. Raises SandboxError (exit 6), UsageError.

    Args:
        session: id of this opening, beginning with the run's; `r17/1.5`.
        spilled: reads results of this run that were too long for the model.
        own_search: the model's own web search.
        rehearsed: it will not be opened: a sandbox that cannot be had makes calls refused, not the run.
    """
    from ..domain.network.reach import Reach
    from ..tools.environment import RunEnvironment

    task, run = spec.task, root_of(session).partition(".")[0]
    wanted = set(task.tools)
    reach = Reach(task.start_url, task.allow_hosts)
    has_files = wanted.intersection((*FILE_TOOLS, *SHELL_TOOLS))
    held = sandbox(spec, run, sources, rehearsed=rehearsed) if has_files else None
    boxes: list[Toolbox] = []
    offered = task.tools
    if spec.given:
        spilled = _given(spec, spilled, sources)
        if "read_file" not in wanted:
            boxes.append(_reader(spilled))
            offered = (*offered, "read_file")
    if held and wanted.intersection(FILE_TOOLS):
        from ..tools.files.box import FileBox

        boxes.append(FileBox(held, spilled=spilled))
    if held and wanted.intersection(SHELL_TOOLS):
        from ..tools.shell.box import ShellBox

        boxes.append(ShellBox(held, scripted=spec.script is not None))
    if wanted.intersection(WEB_TOOLS):
        from ..tools.web.box import WebBox
        from ..tools.web.search import BRAVE, TAVILY, WebSearch, searxng

        engines = (BRAVE, TAVILY, *((searxng(sources.searxng),) if sources.searxng else ()))
        boxes.append(WebBox(reach, search=WebSearch(secrets.secret, engines, own_search)))
    if wanted.intersection(LOOP_TOOLS):
        from ..tools.verdict import VerdictBox

        boxes.append(VerdictBox())
    if wanted.intersection(PLAN_TOOLS):
        from ..tools.plan import PlanBox

        boxes.append(PlanBox())
    if others := wanted.difference(BUILT_IN_TOOLS, LOOP_TOOLS, PLAN_TOOLS):
        boxes.append(_plugged_in(others, spec.workspace, sources))
    browser = None
    if wanted.intersection(BROWSER_TOOLS):
        from ..tools.browser.environment import BrowserBox

        browser = BrowserBox(task, blobs=sources.blobs, vault=secrets, session=session)
    return RunEnvironment(
        boxes,
        level=task.level,
        offered=offered,
        sandbox=held,
        browser=browser,
        rules=sources.rules,
        used=lambda: sources.used(session),
        claim=lambda ids: sources.claim(session, ids),
        where=lambda: Where(spec.workspace, run, sources.clock.now()),
        proposes=spec.proposes and held is not None and "changes" in held.enforced,
        planned=spec.script,
    )


def _given(spec: RunSpec, spilled: Spilled | None, sources: Sources) -> Spilled:
    """Reads what the run was given, and its own long results."""

    async def read(name: str) -> bytes:
        if sha := spec.given.get(name.removeprefix("result:")):
            return await sources.blobs.get(sha)
        if spilled is None:
            raise UsageError(f"There is no {name[:60]} in this run.")
        return await spilled(name)

    return read


def _reader(spilled: Spilled) -> Toolbox:
    """`read_file` for what the run was given alone: that it was given something lets it read no workspace."""
    from ..tools.files.box import FileBox

    box = FileBox(None, spilled=spilled)
    box.tools = {"read_file": box.tools["read_file"]}
    return box


def sandbox(spec: RunSpec, run: str, sources: Sources, *, rehearsed: bool = False) -> Sandbox:
    """Where the children of a root run are, not yet open; of a loop's round the one its other runs share.

    May wait while it is tried out. Raises SandboxError (exit 6).
    """
    from ..sandbox.choose import choose

    table, paths = spec.task.sandbox, sources.paths
    return choose(
        table,
        Path(spec.workspace or "."),
        state=(paths.home, paths.socket.parent, paths.config),
        scratch=paths.home / "scratch",
        run=spec.parent.replace("/", "-") or run,
        keep=bool(spec.parent),
        base=spec.base,
        level="L2" if rehearsed else spec.task.level,
        acts=not rehearsed and bool(set(spec.task.tools).intersection(_ACTING)),
    )


def _plugged_in(names: Collection[str], workspace: str, sources: Sources) -> Toolbox:
    """The named tools of plug-ins. Raises UsageError naming the nearest for one that nobody brings."""
    from ..tools.box import Toolbox
    from .catalogue import plugins

    known = {each.tool.spec.name: each.tool for each in plugins(workspace, sources.trusts).tools}
    for name in sorted(set(names).difference(known)):
        near = get_close_matches(name, (*BUILT_IN_TOOLS, *known), 1)
        hint = f"Did you mean {near[0]}?" if near else "List them with: harness-tui tools list"
        raise UsageError(f"There is no tool {name}.", hint)
    return Toolbox([known[name] for name in sorted(names)])
