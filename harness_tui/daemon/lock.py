"""One engine per home: a flock that is taken before anything else of the home is opened, and dies with its holder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

import msgspec

from ..config.paths import Paths
from ..domain.errors import SetupError


class Holder(msgspec.Struct, frozen=True):
    """Who holds a home: process id and when it took the lock (us)."""

    pid: int
    started: int


class Lock:
    """The held lock; a context manager. The file stays, only the lock on it comes and goes."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def take(cls, paths: Paths) -> Lock:
        """Take the home. Raises SetupError naming the engine that has it."""
        try:
            fd = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise SetupError(f"Cannot open the lock {paths.lock}: {error.strerror}.") from None
        try:
            _exclusive(fd)
            os.fchmod(fd, 0o600)
            os.ftruncate(fd, 0)
            os.pwrite(fd, msgspec.json.encode(Holder(os.getpid(), time.time_ns() // 1000)), 0)
        except BlockingIOError:
            os.close(fd)
            raise second_engine(paths) from None
        except OSError as error:
            os.close(fd)
            raise SetupError(f"Cannot take the lock {paths.lock}: {error.strerror}.") from None
        return cls(fd)

    def release(self) -> None:
        os.ftruncate(self._fd, 0)
        os.close(self._fd)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


def _exclusive(fd: int) -> None:
    """Lock without waiting; tried again because a passing `held` probe has the lock for some microseconds."""
    for _ in range(3):
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.005)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def held(paths: Paths) -> bool:
    """Whether some process holds the home now. Creates nothing."""
    try:
        fd = os.open(paths.lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def holder(path: Path) -> Holder | None:
    """What the holder wrote into the lock, or None."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return None


def second_engine(paths: Paths) -> SetupError:
    who = holder(paths.lock)
    pid = f"pid {who.pid}" if who else "another process"
    return SetupError(
        f"An engine already runs for {paths.home} ({pid}).",
        "Use it, or stop it first: harness-tui engine stop",
    )
