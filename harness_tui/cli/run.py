"""`harness-tui run`: one task, from its start to its verified end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import output
from .output import Format, format_option

SANDBOXES = ("auto", "none", "worktree", "bubblewrap", "container")

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..domain.task import ModelSpec, RunSpec, TaskFile
    from ..port.commands import StartRun
    from .follow import Wish


@click.command()
@click.argument("prompt", metavar="[TASK]", default="")
@click.option(
    "--task",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A task file (TOML) instead of a TASK in quotes.",
)
@click.option("--url", default="", help="Base URL of the model's API.")
@click.option(
    "--api",
    default="",
    help="Its protocol: openai-chat, openai-responses, anthropic, gemini, ollama, an installed kind.",
)
@click.option("--model", default="", help="The model's name at that URL.")
@click.option("--tools", default="", metavar="A,B", help="Names of the tools it gets (`tools list`), or none.")
@click.option("--level", type=click.Choice(["L1", "L2", "L3"]), help="L1 reports, L2 asks (default), L3 acts.")
@click.option("--browser-url", default="", metavar="URL", help="The page a browser task begins on.")
@click.option("--sandbox", type=click.Choice(SANDBOXES), help="Where its commands run (auto: bubblewrap if it works).")
@click.option(
    "--allow-host",
    multiple=True,
    metavar="HOST[:PORT]",
    help="What web and browser may reach besides public addresses.",
)
@click.option("--max-iters", type=click.IntRange(1), help="Model turns per attempt.")
@click.option("--budget-tokens", type=click.IntRange(1), help="Tokens for the run.")
@click.option("--budget-usd", type=click.FloatRange(0), help="Money for the run.")
@click.option("--no-wait", is_flag=True, help="Exit 4 when an approval is needed; the run waits for it.")
@click.option("--record", metavar="FILE", type=click.Path(path_type=Path), help="Record it for `replay FILE`.")
@format_option
def run(
    prompt: str,
    task: Path | None,
    url: str,
    api: str,
    model: str,
    tools: str,
    level: str | None,
    browser_url: str,
    sandbox: str | None,
    allow_host: tuple[str, ...],
    max_iters: int | None,
    budget_tokens: int | None,
    budget_usd: float | None,
    no_wait: bool,
    record: Path | None,
    output_format: Format,
) -> None:
    """Run one task and wait for its verified end.

    Uses the running engine, else hosts one meanwhile. What has consequences waits for an approval.
    """
    from .follow import Wish

    given = {
        "tools": None
        if not tools
        else ()
        if tools == "none"
        else tuple(filter(None, map(str.strip, tools.split(",")))),
        "level": level,
        "start_url": browser_url or None,
        "sandbox": sandbox,
        "allow_hosts": allow_host or None,
    }
    limits = {"max_iterations": max_iters, "tokens": budget_tokens, "usd": budget_usd}
    start = command(_task(prompt, task, given, limits), url=url, api=api, model=model)
    start = _recorded(start, record) if record else start
    report(start, Wish(wait=not no_wait, stream=output_format is Format.stream), output_format)


def _recorded(start: StartRun, path: Path) -> StartRun:
    """The same run, written to a new file. Raises UsageError where that cannot be."""
    import os

    from msgspec.structs import replace

    from ..domain.errors import UsageError

    path = path.expanduser().absolute()
    if os.path.lexists(path):
        raise UsageError(f"{path} exists, and a recording never overwrites.", "Give --record another name.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{path.parent} is no folder one can record into.")
    return replace(start, spec=replace(start.spec, record=str(path)))


def report(
    start: StartRun,
    wish: Wish,
    output_format: Format,
    more: dict[str, Any] | None = None,
    site: Callable[[], Any] | None = None,
) -> NoReturn:
    """Run it, print its result document, end with its exit code.

    Args:
        more: further fields of the document.
        site: asked at the end for what the site itself says; its answer is the field `site`.
    """
    import asyncio

    from ..config.paths import Paths
    from . import follow, link, result

    async def go() -> tuple[dict[str, Any], int]:
        async with link.running_or_hosted(Paths.default()) as port:
            row, waits = await follow.start(port, start, wish)
        extra = {**(more or {}), **({"site": site()} if site else {})}
        if waits:
            error = f"Approval {waits} is needed; the run waits for it."
            return {**result.of_run(row, exit_code=4, error=error), **extra}, 4
        return {**result.of_run(row), **extra}, row.exit

    document, code = asyncio.run(go())
    if output_format is Format.json:
        output.finish(document, code)
    if output_format is Format.text:
        print_text(document)
    raise click.exceptions.Exit(code)


def print_text(document: dict[str, Any]) -> None:
    """The answer on stdout; the verdict beside it, and the claim only where it differs."""
    output.say(document["answer"] or document["reason"] or document["error"] or document["state"])
    verdict = {True: "verified", False: "not verified", None: "not checked"}[document["verified"]]
    reason = "" if document["reason"] in ("", document["answer"]) else f": {document['reason']}"
    output.tell(f"{document['run']} {document['state']}: {verdict}{reason}")
    if document["claim"] and document["claim"] != document["answer"]:
        output.tell(f'the model claimed: "{document["claim"]}"')


def _task(prompt: str, path: Path | None, given: dict[str, Any], limits: dict[str, Any]) -> TaskFile:
    """The task file or the words, with what the flags change in it. Raises UsageError."""
    import msgspec

    from ..config.taskfile import load_task
    from ..domain.errors import UsageError
    from .tool_names import ToolNames

    if bool(prompt) == (path is not None):
        raise UsageError("Give either a TASK in quotes or --task FILE.")
    base = (
        load_task(path, ToolNames(), budget=_settings().run_budget)
        if path
        else plain_task(prompt, browser=bool(given["start_url"]))
    )
    changed: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if "sandbox" in changed:
        changed["sandbox"] = msgspec.structs.replace(base.sandbox, kind=changed["sandbox"])
    if "allow_hosts" in changed:
        changed["allow_hosts"] = (*base.allow_hosts, *changed["allow_hosts"])
    named = {key: limits[key] for key in ("tokens", "usd") if limits[key] is not None}
    if named:
        changed["budget"] = msgspec.structs.replace(base.budget, **named)
    if limits["max_iterations"] is not None:
        changed["guardrails"] = msgspec.structs.replace(base.guardrails, max_iterations=limits["max_iterations"])
    return _checked(msgspec.structs.replace(base, **changed))


def _checked(task: TaskFile) -> TaskFile:
    """Hold what flags changed against the rules a task file is held against."""
    from ..config.task_rules import problems
    from ..domain.errors import UsageError
    from .tool_names import ToolNames

    for problem in problems(task, ToolNames()):
        raise UsageError(problem.text[:1].upper() + problem.text[1:] + ("" if problem.text.endswith("?") else "."))
    return task


def plain_task(prompt: str, *, browser: bool = False) -> TaskFile:
    """A task in words: files, shell and web, or the browser if it begins on a page; the configured budget.

    In / there is no workspace, so none of its tools either: a service may still ask a model something.
    """
    import os

    from ..domain.task import BROWSER_TOOLS, FILE_TOOLS, SHELL_TOOLS, WEB_TOOLS, TaskFile

    hands = () if os.getcwd() == "/" else (*FILE_TOOLS, *SHELL_TOOLS)
    tools = BROWSER_TOOLS if browser else (*hands, *WEB_TOOLS)
    return TaskFile(prompt=prompt, tools=tools, budget=_settings().run_budget)


def _settings() -> Settings:
    from ..config.paths import Paths
    from ..config.settings import load_settings

    return load_settings(Paths.default())


def command(task: TaskFile, *, url: str = "", api: str = "", model: str = "") -> StartRun:
    """The run to start, with the values of the handles it names, read from this process's environment."""
    import os

    from ..domain.task import RunSpec
    from ..port.commands import StartRun
    from .config import choice

    chosen = choice(_settings(), task=task.model)
    main = chosen.main(url=url, model=model, api=api, tell=output.tell)
    spec = RunSpec(task, main, chosen.roles(main), workspace=os.getcwd())
    secrets = secrets_of(spec, chosen.place)
    for each in models_of(spec):
        check_model(each, secrets)
    return StartRun(spec, secrets)


def check_model(spec: ModelSpec, secrets: dict[str, str]) -> None:
    """Refuse an unknown kind or an unusable key before anything starts."""
    from ..models.api import build

    name = key_name(spec.key)
    build(spec.url, spec.model, secrets.get(name), spec.api, key_source=name)


def secrets_of(spec: RunSpec, place: Callable[[str], str]) -> dict[str, str]:
    """Name -> value for every handle of the run that is a variable here; what is missing, the engine names.

    What is handed over is asked first, so a key that is in the keyring as well (`place` says where) is left to it.
    """
    import os

    handles = [each.key for each in models_of(spec)]
    if spec.task.login:
        handles.append(spec.task.login.credential)
    names = [
        name
        for handle in handles
        for name in key_name(handle).split(",")
        if handle.startswith("env:") or place(name) == "environment"
    ]
    return {name: os.environ[name] for name in names if os.environ.get(name, "").strip()}


def models_of(spec: RunSpec) -> list[ModelSpec]:
    """The main model, the roles, and the fallbacks of each."""
    mains = [spec.model, *spec.roles.values()]
    return [*mains, *(other for each in mains for other in each.fallbacks)]


def key_name(handle: str) -> str:
    """What follows `env:` or `vault:`."""
    return handle.partition(":")[2]
