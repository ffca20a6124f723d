"""The checker's tool: a verdict in a form that a machine reads. Prose is no verdict."""

from __future__ import annotations

from typing import Literal

from .box import Toolbox
from .tool import tool


class VerdictBox(Toolbox):
    @tool(risk="read_only")
    def verdict(self, verdict: Literal["clean", "concerns", "failed"], reasons: list[str]) -> str:
        """Give your verdict on what you were asked to check, once: two that differ count as none.

        Args:
            verdict: clean = you looked and found nothing wrong; concerns = something a person should see first;
                failed = it does not do what it should, or does harm.
            reasons: what you looked at and what you found, a sentence each.
        """
        return f"Noted: {verdict}, {len(reasons)} reasons."
