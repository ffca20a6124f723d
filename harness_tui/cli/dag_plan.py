"""What `dag run` and `dag replan` read: a plan file with its models settled, or a change of a running plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from . import output

if TYPE_CHECKING:
    from ..config.planfile import Given
    from ..config.settings import Settings
    from ..domain.dag.state import DagState
    from ..domain.task import ModelSpec, ModelTable
    from ..port.commands import ReplanDag, StartDag

Flags = tuple[str, str, str]
"""--url, --api, --model."""


def start_of(path: Path, flags: Flags, given: Given) -> StartDag:
    """The plan in `path` as the command that starts it; nothing is sent.

    A plan that asks no model gets none: it needs no key, no network and nothing configured. Raises UsageError (2), and
    what choosing a model raises.
    """
    import os

    from ..config.paths import Paths
    from ..config.planfile import load_plan
    from ..config.settings import load_settings
    from ..domain.task import RunSpec, TaskFile
    from ..port.commands import StartDag
    from . import link, run
    from .config import choice
    from .tool_names import ToolNames

    settings = load_settings(Paths.default())

    def models(tables: Mapping[str, ModelTable | None], used: Collection[str]) -> dict[str, ModelSpec]:
        return settled(settings, tables, used, flags)

    spec, jobs = load_plan(
        path,
        known_tools=ToolNames(),
        models=models,
        known_models=settings.file.models,
        workspace=Path(os.getcwd()),
        usd=settings.run_budget.usd,
        given=given,
    )
    secrets: dict[str, str] = {}
    if spec.models:
        asking = RunSpec(TaskFile("-"), spec.models["main"], spec.models)
        secrets = run.secrets_of(asking, choice(settings).place)
        for each in run.models_of(asking):
            run.check_model(each, secrets)
    return StartDag(spec, jobs, link.operator(), secrets)


def settled(
    settings: Settings, tables: Mapping[str, ModelTable | None], used: Collection[str], flags: Flags
) -> dict[str, ModelSpec]:
    """Name -> model. `main`: flags, else the plan's [model], else as configured; another one of the plan that names no
    server is at that of `main`; then those of the configuration, as any run has them.

    Raises UsageError for a name in `used` that is none of them, and what choosing a model raises.
    """
    from msgspec.structs import replace

    from ..config.planfile import MAIN
    from ..domain.errors import UsageError
    from ..domain.task import Options
    from .config import choice

    url, api, model = flags
    chosen = choice(settings, task=tables[MAIN])
    main = chosen.main(url=url, api=api, model=model, tell=output.tell)
    found = {**chosen.roles(main), MAIN: main}
    for name, table in tables.items():
        if name == MAIN or table is None:
            continue
        if table.url or table.api or table.key or table.fallback:
            found[name] = choice(settings, task=table).main(tell=output.tell)
            continue
        own = {key: getattr(table, key) for key in Options.__struct_fields__}
        said = {key: value for key, value in own.items() if value != getattr(Options(), key)}
        found[name] = replace(main, model=table.model or main.model, options=replace(main.options, **said))
    for name in used:
        if name not in found:
            raise UsageError(
                f"The configured model {name} is at another server than main, which this plan asks.",
                f"Write [models.{name}] into the plan, or leave --url out.",
            )
    return found


def patch_of(path: Path, s: DagState, by: str) -> ReplanDag:
    """The change in `path` of the run's plan. Raises UsageError; so for a prompt in a run that has no model."""
    from ..config.planfile import load_patch
    from ..domain.errors import UsageError
    from ..port.commands import ReplanDag
    from .tool_names import ToolNames

    known = {"main": None, **s.spec.models}
    file = load_patch(path, known_tools=ToolNames(), models=known, resources=s.spec.resources, jobs=s.dag)
    asks = next((job.id for job in file.jobs if job.kind == "prompt"), "")
    if asks and not s.spec.models:
        raise UsageError(f"{s.uid} was started without a model, and {asks} asks one.", "Run it as a plan of its own.")
    return ReplanDag(s.uid, by, file.jobs, file.drop, file.reason)
