"""From a run's spec to its vault, its model and its world: the only place that picks implementations."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ..config.secret_variables import is_secret
from ..config.tariff import Tariff
from ..config.vault import Ladder, Stores
from ..domain.errors import CredentialError
from ..domain.events import root_of
from ..domain.redaction import Redaction, distinctive
from ..domain.rules import Rule, Where
from ..domain.seams import Blobs, Environment, Model, Vault
from ..domain.task import BROWSER_TOOLS, ModelSpec, RunSpec
from .services import read_env_file


@dataclass(slots=True)
class Sources:
    """What all runs of an engine draw from.

    Attributes:
        environ: this process's variables, the secret ones included, which its children do not get.
        redaction: learns every secret before it is used.
        prices: the operator's own, by model.
        dropped: parameters an endpoint is known to refuse, by its name.
        rules, used: the operator's rules as they are now, and how often each has allowed a call.
    """

    stores: Stores
    environ: Mapping[str, str]
    blobs: Blobs
    redaction: Redaction = field(default_factory=Redaction)
    prices: Mapping[str, Tariff] = field(default_factory=dict)
    dropped: Callable[[str], Collection[str]] = lambda _: ()
    rules: Callable[[], Sequence[Rule]] = tuple
    used: Callable[[], Mapping[str, int]] = dict

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


def model(spec: RunSpec, secrets: Vault, sources: Sources, role: str = "main") -> Model:
    """The run's model of a role, behind a router if it has fallbacks; imports no SDK yet. May wait for a keyring."""
    from ..models import api, router

    def leg(one: ModelSpec) -> Model:
        built = api.from_spec(one, secrets, overrides=sources.prices)
        if endpoint := getattr(built, "endpoint", ""):
            built.dropped.update(sources.dropped(endpoint))  # type: ignore[attr-defined]
        return built

    return router.from_spec(router.of_role(spec, role), leg)


def environment(spec: RunSpec, session: str, secrets: Vault, sources: Sources) -> Environment:
    """The run's world, not yet open: the boxes its tools are in, behind one judgement."""
    from ..tools.environment import RunEnvironment

    browser = None
    if any(name in BROWSER_TOOLS for name in spec.task.tools):
        from ..tools.browser.environment import BrowserBox

        browser = BrowserBox(spec.task, blobs=sources.blobs, vault=secrets, session=session)
    return RunEnvironment(
        (),
        level=spec.task.level,
        offered=spec.task.tools,
        browser=browser,
        rules=sources.rules,
        used=sources.used,
        where=lambda: Where(spec.workspace, root_of(session), time.time_ns() // 1000),
    )
