"""From a run's spec to its world, its model and its secrets: the only place that picks implementations."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..config.vault import EnvVault
from ..domain.seams import Blobs, Environment, Model, Vault
from ..domain.task import RunSpec
from .services import read_env_file


def vault(spec: RunSpec, secrets: Mapping[str, str]) -> Vault:
    """Secrets handed over with the run, then its service's file, then the engine's own environment."""
    handed = read_env_file(spec.service.env_file) if spec.service else {}
    return EnvVault(secrets, handed, os.environ)


def model(spec: RunSpec, secrets: Mapping[str, str]) -> Model:
    """The run's model, its SDK not yet imported."""
    from ..models.api import from_spec

    return from_spec(spec.model, vault(spec, secrets))


def uses_browser(spec: RunSpec) -> bool:
    return any(name.startswith("browser_") for name in spec.task.tools)


def environment(spec: RunSpec, session: str, blobs: Blobs, secrets: Mapping[str, str]) -> Environment:
    """The run's world, not yet open: a browser when it has browser tools, else none."""
    if uses_browser(spec):
        from ..tools.browser.environment import BrowserEnvironment

        return BrowserEnvironment(spec.task, blobs=blobs, vault=vault(spec, secrets), session=session)
    from ..tools.plain import PlainEnvironment

    return PlainEnvironment(())
