"""How often data is drawn. Keys are never paced: a key paints at once."""

from __future__ import annotations

from collections.abc import Mapping

LOCAL, SSH, BLURRED = 12.0, 5.0, 1.0
FASTEST = 30.0


class Pace:
    """Frames a second for data, and pictures a second.

    Args:
        ssh: the terminal is at the far end of a slow link.
        fps: the operator's own wish (`--fps`, `:fps N`), or None.
    """

    def __init__(self, *, ssh: bool = False, fps: float | None = None) -> None:
        self.ssh = ssh
        self.wish = fps
        self.blurred = False

    @classmethod
    def of(cls, environ: Mapping[str, str], fps: float | None = None) -> Pace:
        return cls(ssh=bool(environ.get("SSH_CONNECTION")), fps=fps)

    @property
    def interval(self) -> float:
        """Seconds between two frames of data."""
        if self.blurred:
            return 1 / BLURRED
        wish = self.wish if self.wish is not None else (SSH if self.ssh else LOCAL)
        return 1 / min(FASTEST, max(0.2, wish))

    @property
    def picture_interval(self) -> float:
        """Seconds between two pictures of the browser."""
        return 1.0 if self.ssh else 0.25
