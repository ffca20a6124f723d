"""harness-tui: a terminal console for autonomous agents and the engine under it. Names are imported on first use."""

from __future__ import annotations

__version__ = "0.1.0"
