"""What the operator configured for every run: `config.toml`, its values, and on which line each of them stands.

Only this one file is read, from the operator's own directory: a config.toml that lies in a workspace or a repository
counts for nothing, so that no checkout can redirect keys, prices or limits. A file others may write is refused.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ..domain.errors import SetupError
from ..domain.safetext import clip
from ..domain.task import DEFAULT_TOKENS, Budget, ModelTable
from .model_rules import model_problems
from .paths import Paths
from .tariff import PriceTable, Tariff
from .task_rules import MOST
from .toml_lines import Step, line_of
from .toml_schema import Fault, Problem, fault, parsed, table_name, text_of

MAX_BYTES = 256 * 1024
NAME = "config.toml"


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An unknown key is refused, never ignored."""


class Budgets(_Table, frozen=True):
    """`[budget]`: limits of every day over all runs, and what a run and a call of it get unless told otherwise.

    Tokens 0 and usd None are no limit.
    """

    day_tokens: int = 0
    day_usd: float | None = None
    run_tokens: int = DEFAULT_TOKENS
    run_usd: float | None = None
    call_tokens: int = 0
    call_usd: float | None = None


class Keys(_Table, frozen=True):
    """`[keys]`: a further place for keys.

    Attributes:
        command: a program that prints the key of that name, `["pass", "show", "{name}"]`; () = none.
    """

    command: tuple[str, ...] = ()


class Search(_Table, frozen=True):
    """`[search]`: `url` of a SearXNG of yours, asked where neither Brave nor Tavily has a key."""

    url: str = ""


class Notify(_Table, frozen=True):
    """`[notify]`: what is called when a human is needed and perhaps nobody looks.

    Attributes:
        command: a program and its arguments; the sentence comes after them, the same as JSON on its stdin.
        webhook: an http(s) URL that gets the JSON.
    """

    command: tuple[str, ...] = ()
    webhook: str = ""


class ConfigFile(_Table, frozen=True):
    """The whole file.

    Attributes:
        models: `[models.NAME]`: models of named roles (`compactor`, `judge`) and those that fallbacks name.
        prices: `[prices."MODEL"]`, by the model's exact name.
    """

    model: ModelTable = ModelTable()
    models: dict[str, ModelTable] = {}
    budget: Budgets = Budgets()
    prices: dict[str, PriceTable] = {}
    keys: Keys = Keys()
    search: Search = Search()
    notify: Notify = Notify()


@dataclass(frozen=True)
class Settings:
    """`config.toml` as it was read; all defaults when there is none."""

    path: Path
    file: ConfigFile = ConfigFile()  # noqa: RUF009 - frozen
    source: str = field(default="", repr=False)
    data: dict[str, Any] = field(default_factory=dict, repr=False)

    def where(self, *path: Step) -> str:
        """Where the value at `path` comes from: `config.toml:12`, or `default`."""
        value: Any = self.data
        for step in path:
            if not isinstance(value, dict) or step not in value:
                return "default"
            value = value[step]
        return f"{NAME}:{line_of(self.source, path)}"

    @property
    def run_budget(self) -> Budget:
        """What a run may spend unless its task file or its flags say otherwise."""
        limits = self.file.budget
        return Budget(limits.run_tokens, limits.run_usd, limits.call_tokens, limits.call_usd)

    @property
    def prices(self) -> dict[str, Tariff]:
        """The operator's own prices, by model."""
        return {name: Tariff(table, self.where("prices", name)) for name, table in self.file.prices.items()}


def load_settings(paths: Paths) -> Settings:
    """Read `paths.config`. Raises SetupError (78) with file, line and key, or when others may write the file."""
    raw = _read(paths.config)
    if raw is None:
        return Settings(paths.config)
    try:
        source = text_of(raw)
        file, data = parsed(source, ConfigFile)
        for problem in _problems(file):
            raise fault(source, problem)
    except Fault as error:
        raise SetupError(error.at(str(paths.config))) from None
    return Settings(paths.config, file, source, data)


def _read(path: Path) -> bytes | None:
    shown = clip(str(path), 200)
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            raw = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):  # a home that cannot be is said where it is needed
        return None
    except OSError as error:
        raise SetupError(f"Cannot read {shown}: {error.strerror}.") from None
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SetupError(f"{shown} may be written by others, who could redirect your keys.", f"chmod go-w {shown}")
    if facts.st_uid not in (os.geteuid(), 0):
        raise SetupError(f"{shown} belongs to another user, who could redirect your keys.", "Write one of your own.")
    if len(raw) > MAX_BYTES:
        raise SetupError(f"{shown} is larger than {MAX_BYTES // 1024} KiB: no configuration is.")
    return raw


def _problems(file: ConfigFile) -> Iterator[Problem]:
    yield from _model(("model",), file.model, file)
    for name, table in file.models.items():
        yield from _model(("models", name), table, file)
        if not table.model.strip():
            yield Problem(("models", name), f'{table_name(("models", name))} must name its "model"')
    for key in Budgets.__struct_fields__:
        yield from _amount(("budget", key), getattr(file.budget, key))
    for name, price in file.prices.items():
        for key in PriceTable.__struct_fields__:
            yield from _amount(("prices", name, key), getattr(price, key))
    if file.search.url and not file.search.url.startswith(("http://", "https://")):
        yield Problem(("search", "url"), '"url" in [search] must be an http(s) URL')
    if file.notify.webhook and not file.notify.webhook.startswith(("http://", "https://")):
        yield Problem(("notify", "webhook"), '"webhook" in [notify] must be an http(s) URL')
    if file.notify.command and not file.notify.command[0].strip():
        yield Problem(("notify", "command"), '"command" in [notify] must begin with a program')
    command = file.keys.command
    if command and not any("{name}" in part for part in command[1:]):
        text = '"command" in [keys] must say where the name goes, as in ["pass", "show", "{name}"]'
        yield Problem(("keys", "command"), text)


def _model(path: tuple[Step, ...], table: ModelTable, file: ConfigFile) -> Iterator[Problem]:
    yield from model_problems(path, table)
    for index, name in enumerate(table.fallback):
        if name not in file.models:
            text = (
                f'"fallback" in {table_name(path)} names "{clip(name, 60)}", and there is no [models.{clip(name, 60)}]'
            )
            yield Problem((*path, "fallback", index), text)


def _amount(path: tuple[Step, ...], value: float | None) -> Iterator[Problem]:
    if value is not None and (value < 0 or not math.isfinite(value)):
        yield Problem(path, f'"{path[-1]}" in {table_name(path[:-1])} must be 0 or more, not {value}')
    elif value is not None and value > MOST:
        yield Problem(path, f'"{path[-1]}" in {table_name(path[:-1])} must be at most {MOST}, not {value}')
