"""`harness-tui key`: put keys and logins where runs find them. A value is typed or piped, never an argument."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from . import output
from .output import Format, format_option

if TYPE_CHECKING:
    from ..config.vault import Entry, Stores, Unavailable
    from ..domain.errors import HarnessError

PATIENCE_AT_TERMINAL = 60.0
"""Seconds for the keyring where somebody may be typing its password into a window."""


@click.group()
def key() -> None:
    """Set, list and remove keys and logins. Runs name them vault:NAME."""


@key.command("set")
@click.argument("name")
@click.argument("value", nargs=-1, metavar="")
@click.option("--store", type=click.Choice(["keyring", "file", "session"]), default="keyring", help="Where to keep it.")
@click.option("--login", is_flag=True, help="A user with a password; needs --origin.")
@click.option("--origin", default="", metavar="URL", help="The only scheme://host it may be sent to.")
@format_option
def set_key(name: str, value: tuple[str, ...], store: str, login: bool, origin: str, output_format: Format) -> None:
    """Keep a key, or a login, under NAME.

    The value is asked for at a terminal and read from stdin otherwise: one line; for --login the user, then the
    password; for --store file the passphrase last. keyring: the system's. file: an encrypted file in the home.
    session: the memory of the running engine.
    """
    from ..config.vault import bound_origin, check_name
    from ..domain.errors import UsageError

    if value:
        raise UsageError(
            "A value is never an argument: it would stand in the list of processes and in the shell's history.",
            f"Run: harness-tui key set {check_name(name)}, and type it, or pipe it in.",
        )
    check_name(name)
    if login and not origin:
        raise UsageError("A login is bound to the site it is for.", "Add --origin https://SITE.")
    bound = bound_origin(origin, login=login) if origin else ""
    if store == "session":
        _set_in_engine(name, _asked(name, login, bound), output_format)
        return
    stores = here()
    if store == "keyring":
        _prove_keyring(stores, f"{name}{' --login' if login else ''}{f' --origin {bound}' if bound else ''}")
    entry = _asked(name, login, bound)
    if store == "file" or stores.file.word in stores.index.stores(name):
        _unlock(stores)
    chosen = stores.file if store == "file" else stores.keyring
    for left in stores.put(name, entry, chosen):
        _tell_left(name, left)
    told = f"{name} is in the {chosen.word}. Runs name it vault:{name}" + (f", for {bound} only." if bound else ".")
    if output_format is Format.text:
        output.tell(told)
    else:
        output.emit({"name": name, "place": chosen.word, "handle": f"vault:{name}", "origin": bound, "exit": 0})


@key.command("list")
@format_option
def list_keys(output_format: Format) -> None:
    """List keys and where they are; never a value.

    Shows those set here, and the vendors' own variables that are set.
    """
    from ..config.vault import known

    places = known(here(), os.environ)
    if output_format is not Format.text:
        fields = ("name", "place", "usable", "login", "origin", "why", "leak", "remedy")
        output.emit([{field: getattr(place, field) for field in fields} for place in places])
        return
    if not places:
        output.tell("No key is set. Set one with: harness-tui key set NAME")
        return
    rows = [
        (
            place.name,
            (place.place or "nowhere") + ("" if place.usable else " (not open now)"),
            ("login for " if place.login else "") + (place.origin or "any"),
            place.why,
        )
        for place in places
    ]
    output.table(("NAME", "WHERE", "FOR", "WHY"), rows)


@key.command("remove")
@click.argument("name")
@format_option
def remove_key(name: str, output_format: Format) -> None:
    """Remove a key from wherever it was put."""
    from ..config.vault import check_name
    from ..domain.errors import UsageError

    stores = here()
    check_name(name)
    listed = stores.index.stores(name)
    if stores.file.word in listed and stores.file.exists():
        _unlock(stores)
    removed = stores.remove(name)
    in_environment = f" The variable {name} is set in your environment; unset it there." if name in os.environ else ""
    if not (removed or listed):
        raise UsageError(f"There is no key {name}.", in_environment.strip() or "See: harness-tui key list")
    where = f"removed from the {' and the '.join(removed)}" if removed else "gone already; it is listed no longer"
    if output_format is Format.text:
        output.tell(f"{name} is {where}.{in_environment}")
    else:
        output.emit({"name": name, "removed": removed, "exit": 0})


@key.command()
@format_option
def unlock(output_format: Format) -> None:
    """Hand the keys of the encrypted file to the running engine.

    They stay in its memory until it ends; the passphrase goes nowhere.
    """
    from ..clients.read import reading
    from ..config.paths import Paths
    from ..domain.errors import SetupError
    from ..port.commands import SetSecret

    stores = here()
    if not stores.file.exists():
        raise SetupError("There is no encrypted file to unlock.", "Make one: harness-tui key set NAME --store file")
    with reading(Paths.default()) as source:
        _unlock(stores)
        kept = stores.file.all()
        for name, text in kept.items():
            source.send(SetSecret(name, text))
    if output_format is Format.text:
        count = "1 key" if len(kept) == 1 else f"{len(kept)} keys"
        output.tell(f"The engine holds {count} of the encrypted file until it ends.")
    else:
        output.emit({"names": sorted(kept), "exit": 0})


def here() -> Stores:
    """The places for keys of this home, as configured. Asks nothing yet; raises SetupError."""
    import sys

    from ..config.paths import Paths
    from ..config.settings import load_settings
    from ..config.vault import Stores
    from ..config.vault.os_keyring import PATIENCE

    paths = Paths.default()
    seen = sys.stdin.isatty() and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    patience = PATIENCE_AT_TERMINAL if seen else PATIENCE
    return Stores.of(paths.home, os.environ, command=load_settings(paths).file.keys.command, patience=patience)


def _prove_keyring(stores: Stores, words: str) -> None:
    """Before anything is asked for: without a keyring that works nothing is kept anywhere unasked."""
    from ..config.vault import Unavailable
    from ..domain.errors import CredentialError

    try:
        stores.keyring.probe()
    except Unavailable as error:
        name = words.split()[0]
        raise CredentialError(
            f"{error.what} Nothing was kept.",
            f"Keep it in an encrypted file: harness-tui key set {words} --store file; "
            f"or in the engine's memory: --store session; or set the variable {name}, or a command that prints keys "
            'in HARNESS_TUI_KEY_COMMAND ("pass show {name}").',
            exit_code=error.exit_code,
        ) from None


def _asked(name: str, login: bool, origin: str) -> Entry:
    from ..config.vault import Entry
    from . import secret_input

    if not login:
        return Entry(secret_input.hidden(f"Value of {name}", "value"), origin=origin)
    user = secret_input.shown(f"User at {origin}", "user name")
    return Entry(secret_input.hidden("Password", "password"), user, origin)


def _unlock(stores: Stores) -> None:
    from . import secret_input

    stores.file.unlock(secret_input.passphrase(fresh=not stores.file.exists()))


def _set_in_engine(name: str, entry: Entry, output_format: Format) -> None:
    from ..port.commands import SetSecret
    from .link import send

    send(SetSecret(name, entry.encode()), output_format)
    above = here().index.stores(name)
    if above:
        output.tell(
            f"The {above[0]} holds {name} too, and is asked first. Remove it there: harness-tui key remove {name}"
        )


def _tell_left(name: str, left: HarnessError | Unavailable) -> None:
    output.tell(f"An older {name} stays where it was: {left} Remove it once that works: harness-tui key remove {name}")
