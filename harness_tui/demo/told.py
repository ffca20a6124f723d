"""What a maker or checker of a loop was told, as `loops.prompts` puts it: read back for the stand-in. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from ..domain.messages import Message
from . import leftovers

_ROLE = re.compile(r"\s*You are the (maker|checker) of the loop (\S+)\. Its intent: ")
_RECALL = re.compile(r"\n\nRecords of earlier rounds of this loop.*?(?=\n\n|\Z)", re.DOTALL)
_FEEDBACK = re.compile(
    r"\n\nYour last change \(\S*\) was pushed back by the operator: (.*?)(?=\n\nThat change was:\n|\Z)", re.DOTALL
)
_FENCED = re.compile(r"^(~{3,})\n(.*?)\n\1$", re.DOTALL | re.MULTILINE)
_CHANGELOG = re.compile(r"changelog", re.IGNORECASE)
_LEFT = re.compile(r"(Leftovers at|Tidy) ")


class Told(msgspec.Struct):
    """What a maker or checker was told.

    Attributes:
        prompt: the operator's own part of it.
        claim, diff: a checker's: what the maker says, and its change.
    """

    role: str
    name: str
    prompt: str
    recall: str = ""
    feedback: str = ""
    claim: str = ""
    diff: str = ""

    @property
    def subject(self) -> str:
        """changelog | leftovers, or "" for what no script is there for."""
        if self.claim.startswith("Changelog:") or _CHANGELOG.search(f"{self.name} {self.prompt}"):
            return "changelog"
        wanted = _LEFT.match(self.claim) or leftovers.ASKED.search(self.prompt) or "whitespace" in self.prompt
        return "leftovers" if wanted else ""


def heard(messages: Sequence[Message]) -> Told | None:
    """What the first message of the harness says, if that is a loop's."""
    text = next((message.text for message in messages if message.role == "user"), "")
    begun = _ROLE.match(text)
    if begun is None:
        return None
    if begun[1] == "checker":
        prompt, _, rest = text.partition("\n\nWhat the maker says ")
        fenced = [found[2] for found in _FENCED.finditer(rest)]
        diff = fenced[1] if len(fenced) > 1 and "\n\nThe change (data" in rest else ""
        return Told("checker", begun[2], prompt, claim=fenced[0] if fenced else "", diff=diff)
    recall, feedback = _RECALL.search(text), _FEEDBACK.search(text)
    prompt = text[: min(found.start() for found in (recall, feedback, re.search(r"\Z", text)) if found)]
    return Told("maker", begun[2], prompt, recall[0] if recall else "", feedback[1].strip() if feedback else "")
