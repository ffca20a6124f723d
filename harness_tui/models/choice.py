"""Which model a run gets: flags, then the task file, then config.toml, then the environment, then a local Ollama.

No name of a model is known here. With none given, a server that has exactly one is taken at its word; otherwise its own
list is shown. Nothing given at all, a local Ollama answers with its newest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

from ..domain.errors import CredentialError, SetupError, UsageError
from ..domain.safetext import clip
from ..domain.task import ModelSpec, ModelTable
from .endpoint import clean_key
from .listing import listed
from .plan import Layer, Place, Plan, plan

PROBE = 1.0
"""Seconds a local Ollama nobody named may take to answer."""


class Choice:
    """Which models a run gets, given everything but the flags that has a say in it.

    Args:
        task: `[model]` of the task file.
        config: `[model]` of config.toml.
        named: its `[models.NAME]`; each names a model.
        known: where a key of that name is, in a word, or ""; by default only variables are looked at.
        secret: the value behind a handle, to be sent to a URL, which is asked for its list; by default a variable's.
        where: where `path` stands in config.toml, for people.

    Attributes:
        place: `known`, or what stands for it.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        task: ModelTable | None = None,
        config: ModelTable | None = None,
        named: Mapping[str, ModelTable] | None = None,
        known: Place | None = None,
        secret: Callable[[str, str], str] | None = None,
        where: Callable[..., str] = lambda *_: "config.toml",
    ) -> None:
        self._environ = environ
        self._task = task
        self._config = config or ModelTable()
        self._named = named or {}
        self.place: Place = known or (lambda name: "environment" if environ.get(name, "").strip() else "")
        self._where = where
        self._secret = secret or (lambda handle, _: environ.get(handle.partition(":")[2], ""))

    def plan(self, *, url: str = "", model: str = "", api: str = "") -> Plan:
        """The main model, as far as it is known without asking anybody. The arguments are the flags."""
        flags = ModelTable(url=url.strip(), model=model.strip(), api=api.strip())
        layers = [
            self._of_config(),
            Layer(self._task or ModelTable(), lambda _: "the task file", trusted=False),
            Layer(flags, lambda name: f"--{name}"),
        ]
        return plan(layers, self._environ, self.place)

    def named_plan(self, name: str) -> Plan:
        """The same for `[models.NAME]`. One that names neither `url` nor `api` is at the configured main server."""
        table = self._named[name]
        layers = [Layer(table, lambda key: self._where("models", name, key))]
        if not (table.url or table.api):
            server = {key: getattr(self._config, key) for key in ("url", "api", "key", "version", "extra")}
            layers.insert(0, self._of_config()._replace(table=ModelTable(**server)))
        return plan(layers, self._environ, self.place)

    def main(
        self, *, url: str = "", model: str = "", api: str = "", tell: Callable[[str], None] = lambda _: None
    ) -> ModelSpec:
        """The main model and its fallbacks. `tell` gets what the operator should know of the choice, a sentence each.

        Raises UsageError, SetupError (78, no model at all), CredentialError (7, a server asks for another key).
        """
        found = self.plan(url=url, model=model, api=api)
        if found.note:
            tell(found.note)
        name = found.table.model
        if found.vendor is None:
            name = name or found.api
        elif found.unchosen:
            name = self._local(found)
        elif not name or found.withheld:
            name = self._asked(found)
        if found.withheld:
            tell(_withheld(found))
        return self._spec(found, name)

    def roles(self, main: ModelSpec) -> dict[str, ModelSpec]:
        """The models of `[models.NAME]`; one without a server of its own only where `main` is at the configured one.

        So flags that name another server take the compactor along instead of sending the conversation elsewhere.
        """
        found = {name: self.named_plan(name) for name in self._named}
        return {
            name: self._spec(each, each.table.model)
            for name, each in found.items()
            if each.url == main.url or self._named[name].url or self._named[name].api
        }

    def _of_config(self) -> Layer:
        return Layer(self._config, lambda name: self._where("model", name))

    def _spec(self, found: Plan, name: str) -> ModelSpec:
        fallbacks = []
        for other in found.table.fallback:
            if other not in self._named:
                raise UsageError(
                    f'The fallback "{clip(other, 60)}" of {found.where["fallback"]} is not configured.',
                    f"Write [models.{clip(other, 60)}] into config.toml.",
                )
            each = self.named_plan(other)
            fallbacks.append(ModelSpec(each.api, each.table.model, each.url, each.key, each.options))
        return ModelSpec(found.api, name, found.url, found.key, found.options, tuple(fallbacks), found.table.keep_local)

    def _local(self, found: Plan) -> str:
        """The newest model of a local Ollama, or the one named."""
        models = listed(found.api, found.url, self._value(found), patience=PROBE).models
        if models is None:
            raise SetupError(
                f"No model: none is configured, no key is set and no Ollama answers at {found.host}.",
                "Give --url URL --model NAME, or set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY "
                "(OPENAI_BASE_URL names another server), or start Ollama; `harness-tui demo` needs no model.",
            )
        if not found.table.model and not models:
            raise SetupError(
                f"The Ollama at {found.host} has no model.", "Run `ollama pull NAME`, or give --url and --model."
            )
        return found.table.model or models[0]

    def _asked(self, found: Plan) -> str:
        """The model that was named, or the only one the server has; the server is asked for its list."""
        listing = listed(found.api, found.url, self._value(found), version=found.table.version)
        if listing.asks_key and (found.withheld or not found.table.model):
            _refused(found)
        if found.table.model:
            return found.table.model
        if listing.models and len(listing.models) == 1:
            return listing.models[0]
        some = ", ".join(clip(name, 60) for name in (listing.models or [])[:5])
        more = ", ..." if len(listing.models or ()) > 5 else ""
        raise UsageError(
            f"No model is named for {found.host}.", f"Give --model NAME{f'; it has {some}{more}' if some else ''}."
        )

    def _value(self, found: Plan) -> str:
        """The key, to ask for a list. Raises CredentialError."""
        return clean_key(self._secret(found.key, found.url), found.where["key"]) if found.key else ""


def default_model(
    environ: Mapping[str, str],
    *,
    url: str = "",
    model: str = "",
    api: str = "",
    tell: Callable[[str], None] = lambda _: None,
) -> ModelSpec:
    """The model to use, given the flags (none by default) and the environment alone. Raises as `Choice.main`."""
    return Choice(environ).main(url=url, model=model, api=api, tell=tell)


def _withheld(found: Plan) -> str:
    return f"{found.withheld} is not sent to {found.host}: only the task file names that address."


def _refused(found: Plan) -> NoReturn:
    """The server asks for a key, or for another one."""
    source = found.where.get("key", "")
    if found.withheld:
        raise CredentialError(
            f"{found.host} asks for a key. {_withheld(found)}",
            'Give it with --url, or write "key" into [model] of the task file.',
        )
    if found.key:
        raise CredentialError(f"{found.host} refused the key.", f"It came from {source}; set it to a valid one.")
    name = found.vendor.key if found.vendor else "key"
    raise CredentialError(f"{found.host} asks for a key.", f"Set {name}, or keep one with: harness-tui key set {name}")
