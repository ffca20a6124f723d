"""The ladder behind `vault:NAME`: which places are asked for a key, in which order, and what that means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ...domain.errors import CredentialError, HarnessError
from ...domain.seams import Credential, Place
from .entry import Entry
from .handles import PAIR_FORM, SECRET_FORM, kept_name, unsupported
from .places import Rung, Unavailable
from .stores import Stores
from .variables import EnvVault


class _Given(EnvVault):
    """Variables of the shell that started the run, as a rung of their own."""

    leak = "nothing of ours: it is in the engine's memory only"


class _Answer(NamedTuple):
    """What the ladder came to: the first place that has it, and why the ones before it have not."""

    entry: Entry | None
    rung: Rung | None
    passed: list[str]
    trouble: list[Unavailable]


class Ladder:
    """`seams.Vault` of one run.

    `vault:NAME` asks in turn: what was handed over with the run, the keyring, the environment, the external command,
    the encrypted file, this process. A place that cannot be asked is passed over and named when nobody has the key.

    Args:
        given: variables handed over with the run; first for every handle.
        environ: variables of this process and of the run's service, first come first.
        on_secret: told every key and password before it is returned, so that it is hidden wherever it turns up.
    """

    def __init__(
        self,
        stores: Stores,
        *environ: Mapping[str, str],
        given: Mapping[str, str] | None = None,
        on_secret: Callable[[str], None] = lambda _: None,
    ) -> None:
        given = given or {}
        self._stores = stores
        self._on_secret = on_secret
        self._variables = EnvVault(given, *environ)
        self._given = _Given(given)
        self._environment = EnvVault(*environ)

    def __repr__(self) -> str:
        return "Ladder(...)"

    def secret(self, handle: str, origin: str = "") -> str:
        """The value behind `vault:NAME` or `env:VAR`.

        Args:
            origin: the URL or origin it is sent to; a key that is bound to one is given for no other.

        Raises CredentialError naming what is missing, what is locked, or the form a handle has.
        """
        if name := kept_name(handle):
            entry = self._entry(name)
            if entry.user is not None:
                raise CredentialError(f"{name} is a login, not a key.", "Name a key here.")
            entry.allow(name, origin)
            value = entry.secret
        elif handle.startswith("env:"):
            value = self._variables.secret(handle)
        else:
            raise unsupported(handle, SECRET_FORM)
        self._on_secret(value)
        return value

    def credential(self, handle: str, origin: str = "") -> Credential:
        """User and password behind a login `vault:NAME`, or `env:USERVAR,PASSVAR`. As `secret` otherwise."""
        if name := kept_name(handle):
            entry = self._entry(name)
            if entry.user is None:
                set_it = f"harness-tui key set {name} --login --origin https://..."
                raise CredentialError(f"{name} is a key, not a login with a user name.", f"Set it: {set_it}")
            entry.allow(name, origin)
            found = Credential(entry.user, entry.secret)
        elif handle.startswith("env:"):
            found = self._variables.credential(handle)
        else:
            raise unsupported(handle, PAIR_FORM)
        self._on_secret(found.password)
        return found

    def where(self, name: str) -> Place:
        """Where `vault:NAME` is found now, or why it is not. Really looks; never raises for a place that fails."""
        try:
            answer = self._ask(name)
        except HarnessError as error:
            return Place(name, "", error.what, usable=False, remedy=error.next_step)
        why = "; ".join(answer.passed) or "the first place that is asked"
        if answer.entry is None or answer.rung is None:
            remedy = answer.trouble[0].next_step if answer.trouble else f"Run: harness-tui key set {name}"
            return Place(name, "", why, usable=False, remedy=_named(remedy, name))
        login = answer.entry.user is not None
        return Place(name, answer.rung.word, why, answer.rung.leak, origin=answer.entry.origin, login=login)

    def _entry(self, name: str) -> Entry:
        answer = self._ask(name)
        if answer.entry is not None:
            return answer.entry
        looked = "; ".join(answer.passed)
        if answer.trouble:  # it may well be there: that is the thing to mend
            remedy = _named(answer.trouble[0].next_step, name)
            raise CredentialError(f"The key {name} is not to be had: {looked}.", remedy)
        raise CredentialError(f"There is no key {name}: {looked}.", f"Run: harness-tui key set {name}")

    def _ask(self, name: str) -> _Answer:
        passed: list[str] = []
        trouble: list[Unavailable] = []
        for rung, missing in self._rungs(name):
            try:
                text = rung.get(name)
            except Unavailable as error:
                passed.append(_lower(error.what))
                if error.exit_code == CredentialError.exit_code:
                    trouble.append(error)
                continue
            if text:
                return _Answer(Entry.decode(name, text), rung, passed, trouble)
            passed.append(missing)
        return _Answer(None, None, passed, trouble)

    def _rungs(self, name: str) -> Iterator[tuple[Rung, str]]:
        """The places in order, each with the words for not having it."""
        if self._given.get(name):
            yield self._given, ""
        stores = self._stores
        yield stores.keyring, "it is not in the keyring"
        yield self._environment, f"the variable {name} is not set"
        if stores.command:
            yield stores.command, "the command for keys printed nothing"
        if stores.file.exists():
            yield stores.file, "it is not in the encrypted file"
        if stores.session.get(name):
            yield stores.session, ""


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _named(remedy: str, name: str) -> str:
    return remedy.replace("key set NAME", f"key set {name}")
