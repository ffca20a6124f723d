"""From what flags, a task file, the configuration and the environment say to one server and one key; asks nobody.

Each of them is a layer, laid over the weaker ones. What is said of one server is not said of another: a layer that
names another `url`, or an `api` the server below does not speak, drops the weaker layers' model, key and fallbacks;
wishes such as `temperature` stay.

A key that merely lies around (a variable, the keyring) goes only to its vendor's own host and to servers the operator
named: by the vendor's `..._BASE_URL`, by `--url`, or in config.toml. A task file may come with a repository, so an
address that only it names gets none, unless it names the key as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..domain.task import ModelTable, Options
from . import vendors
from .endpoint import base_url, ollama_url
from .vendors import BY_KEY, OF_API, OLLAMA, Vendor

Place = Callable[[str], str]
"""Where a key of that name is, in a word (`environment`, `keyring`), or ""."""

_OF_SERVER = frozenset({"url", "api", "model", "key", "version", "extra", "fallback", "keep_local"})
_UNSET = ModelTable()


class Layer(NamedTuple):
    """What one source says.

    Attributes:
        where: where a value of the table stands, for people: `config.toml:12`.
        trusted: whether a key may go to the address it names.
    """

    table: ModelTable
    where: Callable[[str], str]
    trusted: bool = True


class Plan(NamedTuple):
    """The model of a run as far as it is known without asking anybody.

    Attributes:
        table: what the layers say together.
        api, url: settled; `url` is the base as `endpoint.base_url` gives it.
        key: a handle, or "" for none.
        vendor: whose protocol that is; None for an installed kind.
        where: where each value comes from, for people; a name that is missing has its default.
        unchosen: nobody named a server and no key is set, so that only a local Ollama can help.
        withheld: the name of a key that lies around and does not go to this server, or "".
        note: a sentence the operator should read, or "".
    """

    table: ModelTable
    api: str
    url: str
    key: str
    vendor: Vendor | None
    where: dict[str, str]
    unchosen: bool = False
    withheld: str = ""
    note: str = ""

    @property
    def options(self) -> Options:
        return Options(**{name: getattr(self.table, name) for name in Options.__struct_fields__})

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc.rpartition("@")[2]


def plan(layers: Sequence[Layer], environ: Mapping[str, str], place: Place) -> Plan:
    """Settle on a server.

    Args:
        layers: from the weakest to the strongest.

    Raises UsageError for an address that is none.
    """
    table, by = _laid(layers)
    where = {name: layer.where(name) for name, layer in by.items()}
    if table.api and table.api not in OF_API:
        return Plan(table, table.api, table.url, table.key, None, where)
    note = ""
    if table.url:
        api = table.api or vendors.guess(table.url)
        url = base_url(table.url, api, where["url"])
        where.setdefault("api", "guessed from the url")
        vendor = vendors.at_host(url) or OF_API[api]
        trusted = by["url"].trusted or _origin(url) in _named(layers, vendor, environ)
    else:
        keyed = [one for one in BY_KEY if _first(one.base, environ) or any(map(place, one.keys))]
        vendor = OF_API[table.api] if table.api else (keyed or [OLLAMA])[0]
        api, url, where["url"] = _vendors_own(vendor, table.api, environ)
        # What listens on Ollama's port was named by nobody.
        trusted = vendor is not OLLAMA or bool(_first(OLLAMA.base, environ))
        note = "" if table.api else _among(keyed)
    key, withheld = table.key, ""
    if not key and (name := next(filter(place, vendor.keys), "")):
        key, withheld = (f"vault:{name}", "") if trusted else ("", name if table.url else "")
        where["key"] = f"{name} ({place(name)})"
    elif key and "url" in by and not (by["key"].trusted or trusted):
        note = f"The task file sends {key} to {urlsplit(url).netloc}."
    unchosen = not table.url and not table.api and not keyed
    return Plan(table, api, url, key, vendor, where, unchosen, withheld, note)


def _laid(layers: Sequence[Layer]) -> tuple[ModelTable, dict[str, Layer]]:
    """The values together, and the layer each set one is of."""
    values: dict[str, Any] = {}
    by: dict[str, Layer] = {}
    for layer in layers:
        told = {
            name: value
            for name in ModelTable.__struct_fields__
            if (value := getattr(layer.table, name)) != getattr(_UNSET, name)
        }
        if _moves(told, values):
            for name in _OF_SERVER:
                values.pop(name, None)
                by.pop(name, None)
        values |= told
        by |= dict.fromkeys(told, layer)
    return ModelTable(**values), by


def _moves(told: Mapping[str, Any], below: Mapping[str, Any]) -> bool:
    """Whether `told` speaks of another server than the layers below it."""
    if "url" in told or "api" not in told:
        return "url" in told
    api = told["api"]
    if api not in OF_API or below.get("api", api) not in OF_API:
        return True
    if "url" in below:
        return not vendors.fits(api, base_url(below["url"], api))
    return OF_API[below.get("api", api)] is not OF_API[api]


def _vendors_own(vendor: Vendor, api: str, environ: Mapping[str, str]) -> tuple[str, str, str]:
    """(api, base, where from) of a vendor whose address nobody named but perhaps its own variable."""
    variable = _first(vendor.base, environ)
    where = f"{variable} (environment)" if variable else "default"
    if vendor is OLLAMA:
        return OLLAMA.api, ollama_url(environ), where
    given = environ[variable] if variable else vendor.url
    if not api:
        near = vendors.guess(given)
        # OPENAI_BASE_URL names a server that speaks as OpenAI does, wherever it is.
        api = near if OF_API[near] in (vendor, OLLAMA) else "openai-chat" if vendor is vendors.OPENAI else vendor.api
    return api, base_url(given, api, variable or "--url"), where


def _named(layers: Sequence[Layer], vendor: Vendor, environ: Mapping[str, str]) -> set[tuple[str, str, int | None]]:
    """Origins a key of that vendor may go to, whoever names them."""
    urls = [
        base_url(layer.table.url, source=layer.where("url")) for layer in layers if layer.trusted and layer.table.url
    ]
    own = "https://ollama.com" if vendor is OLLAMA else vendor.url
    variable = _first(vendor.base, environ)
    said = (
        [ollama_url(environ) if vendor is OLLAMA else base_url(environ[variable], source=variable)] if variable else []
    )
    return {_origin(url) for url in (own, *urls, *said)}


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _among(keyed: Sequence[Vendor]) -> str:
    """Said when the order of vendors decided."""
    if len(keyed) < 2:
        return ""
    others = " and ".join(vendor.name for vendor in keyed[1:])
    return (
        f"Settings of {keyed[0].name} and of {others} are there; {keyed[0].name} is asked. "
        f"Choose with --api, or with [model] in config.toml."
    )


def _first(names: Sequence[str], environ: Mapping[str, str]) -> str:
    """The first of these variables that says something, or ""."""
    return next((name for name in names if environ.get(name, "").strip()), "")
