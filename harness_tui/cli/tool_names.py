"""The tools a task may name here: the built-in ones and, looked for only when another is named, those of plug-ins."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property

from ..domain.task import BUILT_IN_TOOLS


class ToolNames(Collection[str]):
    """As a collection of names. Plug-ins are imported the first time a name is not built in."""

    @cached_property
    def _all(self) -> tuple[str, ...]:
        import os

        from ..engine.catalogue import plugins
        from .rehearse import rehearsal

        with rehearsal() as trial:
            found = plugins(os.getcwd(), trial.trusts)
        return (*BUILT_IN_TOOLS, *(each.tool.spec.name for each in found.tools))

    def __contains__(self, name: object) -> bool:
        return name in BUILT_IN_TOOLS or name in self._all

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)
