"""The real clock behind `seams.Clock`; tests inject their own."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    def now(self) -> int:
        """Microseconds since the epoch."""
        return time.time_ns() // 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
