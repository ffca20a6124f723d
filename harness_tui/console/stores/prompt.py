"""The one-line prompt: a filter, a command, a reason, or a typed confirmation."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...domain.safetext import safe
from ..arming import Lone, Subject

MAX = 2000


@dataclass(slots=True)
class Prompt:
    """What is being typed.

    Attributes:
        kind: filter | command | deny | push_back | cancel | stop | stop_all, and loop_run | loop_pause | loop_resume |
            loop_promote | loop_demote, and dag_retry | dag_cancel | dag_pause | dag_resume.
        label: what stands before the text.
        subject: what a deny, a push-back or an edit is about, as it was when the prompt opened.
        run: the run or loop it is about; `job` of a graph's run, "" = all of it.
        history: earlier commands, oldest first; `place` is where in them the operator is.
    """

    kind: str
    label: str
    text: str = ""
    subject: Subject | None = None
    run: str = ""
    job: str = ""
    history: list[str] = field(default_factory=list)
    place: int = 0
    entered: Lone | None = None
    """Enter, pressed alone; taken once nothing followed it."""

    def type(self, text: str) -> None:
        """Add typed or pasted text; line breaks become spaces."""
        self.text = (self.text + " ".join(text.split("\n")).replace("\r", " "))[:MAX]

    def shown(self) -> str:
        return safe(self.text)

    def edit(self, key: str) -> bool:
        """Handle an editing key; False when it is none."""
        match key:
            case "backspace":
                self.text = self.text[:-1]
            case "ctrl+u":
                self.text = ""
            case "ctrl+w":
                self.text = self.text.rstrip().rpartition(" ")[0] + (" " if " " in self.text.strip() else "")
            case "up" | "down" if self.history:
                step = -1 if key == "up" else 1
                self.place = max(0, min(len(self.history), self.place + step))
                self.text = self.history[self.place] if self.place < len(self.history) else ""
            case _:
                return False
        return True
