"""Programs that run whatever they are given, and of which one question alone is a reading: which version is it?

Not here: those that look into the workspace before they answer (cargo, go and rustc choose a toolchain by it), and
those that read a file of options first (curl, npm).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .program import Program, Reading, refused

_QUESTIONS = {
    "python": ("--version", "-V"),
    "python3": ("--version", "-V"),
    "node": ("--version", "-v"),
    "ruby": ("--version", "-v"),
    "perl": ("--version", "-v"),
    "bash": ("--version",),
    "gcc": ("--version",),
    "make": ("--version", "-v"),
}


def _asked(name: str, questions: Sequence[str]) -> Callable[[Sequence[str]], Reading | str]:
    def read(words: Sequence[str]) -> Reading | str:
        if len(words) != 1 or words[0] not in questions:
            return refused(name, " ".join(words), f"only `{name} {questions[0]}` is")
        return Reading(name, (name, *words), {}, f"read: {name} {words[0]}")

    return read


PROGRAMS = tuple(Program(name, read=_asked(name, questions)) for name, questions in _QUESTIONS.items())
