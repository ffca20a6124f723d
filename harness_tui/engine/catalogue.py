"""The tools a workspace has beside the built-in ones: of installed packages, and its own once they are trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..config import trust
from ..domain.errors import UsageError
from ..tools.plugins import FOLDER, Found, Problem, installed, is_plugin, of_project, together

Trusts = Callable[[str, str], bool]
"""Whether the operator trusts the workspace (absolute, real) with content of this digest."""


def plugins(workspace: str, trusts: Trusts) -> Found:
    """All of them, and why those that are missing are. Blocking: it reads files and imports packages.

    Of an untrusted workspace nothing is compiled; each of its files is a problem that says so.
    """
    return together(installed(), own(workspace, trusts)) if workspace else installed()


def own(workspace: str, trusts: Trusts) -> Found:
    """The workspace's own tools."""
    try:
        content = trust.read(Path(workspace))
    except UsageError as error:
        return Found(problems=(Problem(FOLDER, str(error)),))
    if trusts(content.path, content.digest):
        return of_project(content.files)
    untrusted = f"the workspace is not trusted as it is now: harness-tui policy trust {content.path}"
    return Found(problems=tuple(Problem(path, untrusted) for path in content.files if is_plugin(path)))
