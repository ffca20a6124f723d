"""What `doctor` looks at: each check really tries the thing, and names one remedy when it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: short and stable, for machines too.
        ok: whether it holds; a note that only informs is ok.
        detail: one sentence.
        remedy: the one thing to do when it does not hold.
        packages: Debian packages that would mend it; `doctor --fix` installs these.
        mend: what else `doctor --fix` does about it; needs no root.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    packages: tuple[str, ...] = ()
    mend: Callable[[], None] | None = None

    def as_json(self) -> dict[str, object]:
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "remedy": self.remedy or None}
