"""A real Secret Service for one test: its own bus, its own gnome-keyring, a private home. Nobody else's is touched."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

PATIENCE = 60.0
"""Seconds a service may take to come up on a loaded machine; a bound, never a measure."""
PASSWORD = "the password of the login"


class SecretService:
    """One session: `unlock` starts the daemon, `close` ends everything that was started under its home."""

    def __init__(self, home: Path, program: Callable[[str], str]) -> None:
        self._home = home
        self._daemon = program("gnome-keyring-daemon")
        self._running: list[subprocess.Popen[bytes]] = []
        private = {"HOME": home, "XDG_DATA_HOME": home / "data", "XDG_CONFIG_HOME": home / "config"}
        private |= {"XDG_RUNTIME_DIR": home / "run", "XDG_CACHE_HOME": home / "cache"}
        (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        shown = ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS")
        kept = {name: value for name, value in os.environ.items() if name not in shown}
        self.environ = kept | {name: str(folder) for name, folder in private.items()}
        self._socket = home / "run" / "bus"
        self.environ["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={self._socket}"
        self._bus = program("dbus-daemon")
        self.bus = self._open()

    def _open(self) -> subprocess.Popen[bytes]:
        self._socket.unlink(missing_ok=True)
        address = f"--address={self.environ['DBUS_SESSION_BUS_ADDRESS']}"
        argv = [self._bus, "--session", "--nofork", "--nopidfile", "--print-address=1", address]
        bus = self._start(argv, stdout=subprocess.PIPE)
        assert bus.stdout and bus.stdout.readline(), "the bus did not come up"
        return bus

    def again(self, password: str = PASSWORD) -> None:
        """End the session and begin another one over the same home, on the same address."""
        self.close()
        self.bus = self._open()
        self.unlock(password)

    def unlock(self, password: str = PASSWORD) -> subprocess.Popen[bytes]:
        """Start the keyring's daemon, its collection unlocked when the password is the right one."""
        argv = [self._daemon, "--foreground", "--unlock", "--components=secrets"]
        daemon = self._start(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert daemon.stdin
        daemon.stdin.write(password.encode())
        daemon.stdin.close()
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline and daemon.poll() is None, "gnome-keyring did not come up"
            time.sleep(0.02)
        return daemon

    def close(self) -> None:
        for process in reversed(self._running):
            process.kill()
            process.wait()
        # What the bus started by itself (a daemon in place of a killed one, its prompter).
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("HOME") == str(self._home):
                    process.kill()

    def _start(self, argv: list[str], **streams: int) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(argv, env=self.environ, stderr=subprocess.DEVNULL, **streams)
        self._running.append(process)
        return process

    def _answers(self) -> bool:
        from jeepney import DBusAddress, new_method_call
        from jeepney.io.blocking import open_dbus_connection

        address = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
        with contextlib.closing(open_dbus_connection(self.environ["DBUS_SESSION_BUS_ADDRESS"])) as bus:
            call = new_method_call(address, "NameHasOwner", "s", ("org.freedesktop.secrets",))
            return bool(bus.send_and_get_reply(call).body[0])


@contextlib.contextmanager
def secret_service(home: Path, program: Callable[[str], str]) -> Iterator[SecretService]:
    """A session bus over `home`; the daemon is not started yet."""
    service = SecretService(home, program)
    try:
        yield service
    finally:
        service.close()
