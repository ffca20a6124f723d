"""`harness-tui config`: every setting that counts now, and where it comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from . import output
from .output import Format, format_option

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..domain.task import ModelTable
    from ..models.choice import Choice
    from ..models.plan import Plan

Row = tuple[str, Any, str]
"""Name, value, where it comes from."""


@click.group()
def config() -> None:
    """Look at the configuration: config.toml, variables, defaults."""


@config.command()
@click.option("--origin", is_flag=True, help="Also say where each value comes from.")
@format_option
def show(origin: bool, output_format: Format) -> None:
    """Show every setting a run would start with now.

    Keys are shown by their handles. No server is asked.
    """
    from ..config.paths import Paths
    from ..config.settings import load_settings

    paths = Paths.default()
    settings = load_settings(paths)
    rows = [
        ("home", str(paths.home), _variable("HARNESS_TUI_HOME")),
        ("config", str(settings.path), _variable("HARNESS_TUI_HOME", "XDG_CONFIG_HOME")),
        ("theme", os.environ.get("HARNESS_TUI_THEME", ""), _variable("HARNESS_TUI_THEME")),
        *_models(settings),
        *_tables(settings),
    ]
    if output_format is not Format.text:
        output.emit({"settings": {name: {"value": value, "origin": where} for name, value, where in rows}, "exit": 0})
        return
    heads = ("SETTING", "VALUE", "ORIGIN")[: 3 if origin else 2]
    output.table(heads, ((name, _text(value), where)[: len(heads)] for name, value, where in rows))


def choice(settings: Settings, task: ModelTable | None = None) -> Choice:
    """Which models are asked, as config.toml, `task`, the environment and the kept keys say; flags go to its methods.

    Keys are looked for among the names this home has put away; the places themselves are asked only when a server must
    be, for the list of its models.
    """
    from ..config.paths import Paths
    from ..config.vault import Ladder, Stores
    from ..models.choice import Choice

    environ = os.environ
    stores = Stores.of(Paths.default().home, environ, command=settings.file.keys.command)
    kept = stores.index.all()

    def place(name: str) -> str:
        words = kept.get(name, [])
        in_environment = bool(environ.get(name, "").strip()) and stores.keyring.word not in words
        return "environment" if in_environment else next(iter(words), "")

    return Choice(
        environ,
        task=task,
        config=settings.file.model,
        named=settings.file.models,
        known=place,
        secret=Ladder(stores, environ).secret,
        where=settings.where,
    )


def _models(settings: Settings) -> Iterator[Row]:
    having = choice(settings)
    main = having.plan()
    if main.note:
        output.tell(main.note)
    yield from _model("model", main)
    for name in settings.file.models:
        yield from _model(f"models.{name}", having.named_plan(name))


def _model(prefix: str, found: Plan) -> Iterator[Row]:
    from ..models.endpoint import Endpoint

    table = found.table
    values = {
        "url": Endpoint(found.url, "").shown,
        "api": found.api,
        "model": table.model,
        "key": found.key,
        "seed": table.seed,
        "temperature": table.temperature,
        "max_tokens": table.max_tokens,
        "effort": table.effort,
        "parallel_tools": table.parallel_tools,
        "version": table.version,
        "extra": sorted(table.extra),
        "fallback": list(table.fallback),
        "keep_local": table.keep_local,
    }
    for name, value in values.items():
        yield f"{prefix}.{name}", value, found.where.get(name, "default")


def _tables(settings: Settings) -> Iterator[Row]:
    file = settings.file
    for name in file.budget.__struct_fields__:
        yield f"budget.{name}", getattr(file.budget, name), settings.where("budget", name)
    for model, price in file.prices.items():
        for name in price.__struct_fields__:
            yield f"prices.{model}.{name}", getattr(price, name), settings.where("prices", model, name)
    variable = "HARNESS_TUI_KEY_COMMAND"
    if os.environ.get(variable, "").strip():
        yield "keys.command", [os.environ[variable]], _variable(variable)
    else:
        yield "keys.command", list(file.keys.command), settings.where("keys", "command")


def _variable(*names: str) -> str:
    return next((f"{name} (environment)" for name in names if os.environ.get(name)), "default")


def _text(value: Any) -> str:
    """As it would be written in the file; `-` for nothing."""
    match value:
        case bool():
            return str(value).lower()
        case None | "" | []:
            return "-"
        case list():
            return " ".join(map(str, value))
        case _:
            return str(value)
