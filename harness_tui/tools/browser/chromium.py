"""Finding a Chromium, starting driver and browser for real, and ending both for sure."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ...domain.errors import SetupError
from . import guard, processes

if TYPE_CHECKING:
    from playwright.async_api import Browser, Playwright

VARIABLE = "HARNESS_TUI_BROWSER"
"""Path or name of the browser to use, before any that is found."""

START_SECONDS = 30.0
STOP_SECONDS = 4.0

_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "google-chrome-beta",
    "microsoft-edge",
    "microsoft-edge-stable",
    "brave-browser",
)
_PLACES = (
    "/opt/google/chrome/chrome",
    "/opt/microsoft/msedge/msedge",
    "/opt/brave.com/brave/brave-browser",
    "/snap/bin/chromium",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "/Applications/Brave Browser.app/Contents/MacOS/Brave Browser",
)
_FLAGS = (
    *guard.FLAGS,
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PIP = "pip install '.[browser]'"
APT = "apt-get install -y --no-install-recommends chromium libatomic1"


class BrowserProbe(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a real start came to.

    Attributes:
        path, version: the browser that started, or "".
        sandboxed: whether Chromium's own sandbox was on.
        problem: one sentence naming what is missing, or "".
        remedy: the one command or step that cures it, or "".
    """

    ok: bool
    path: str = ""
    version: str = ""
    sandboxed: bool = False
    problem: str = ""
    remedy: str = ""


def sandboxed() -> bool:
    """Chromium's own sandbox refuses to run as root; everybody else gets it."""
    return os.geteuid() != 0


def find() -> str:
    """Path of an installed browser, or "". Raises SetupError when the variable names one that is not there."""
    if wanted := os.environ.get(VARIABLE):
        path = shutil.which(wanted)
        if path is None:
            raise SetupError(f"{VARIABLE} names {wanted}, which is no program.", f"Correct or unset {VARIABLE}.")
        return path
    named = (path for name in _NAMES if (path := shutil.which(name)))
    placed = (path for path in _PLACES if os.access(path, os.X_OK))
    return next(named, None) or next(placed, "")


async def probe() -> BrowserProbe:
    """Start driver and browser, ask the version, stop both."""
    chromium = Chromium()
    try:
        await chromium.start()
        return BrowserProbe(True, chromium.path, chromium.browser.version, sandboxed())
    except SetupError as error:
        return BrowserProbe(False, chromium.path, problem=error.what, remedy=error.next_step)
    finally:
        await chromium.stop()


class Chromium:
    """One driver and one headless browser of our own; only contexts with a proxy of their own reach anything.

    Attributes:
        path: the executable in use.
        browser: the Playwright browser, once started.
    """

    browser: Browser

    def __init__(self) -> None:
        self.path = ""
        self._playwright: Playwright | None = None
        self._folders: list[str] = []
        # Names our own processes beyond doubt, so that a hung browser can be killed without its driver's help.
        self._marker = f"--harness-tui-session={uuid.uuid4().hex}"

    async def start(self) -> None:
        """Raises SetupError with the cause and its one remedy."""
        self._playwright = await _start_driver()
        self.path = find() or _bundled(self._playwright)
        if not self.path:
            raise SetupError("No Chromium, Chrome, Edge or Brave was found.", f"As root: {APT}")
        from playwright.async_api import Error

        folder = tempfile.mkdtemp(prefix="harness-tui-browser-")
        self._folders = [folder]
        try:
            self.browser = await self._playwright.chromium.launch(
                executable_path=self.path,
                headless=True,
                chromium_sandbox=sandboxed(),
                args=[*_FLAGS, self._marker],
                proxy=guard.NOWHERE,
                artifacts_dir=folder,
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
                timeout=START_SECONDS * 1000,
            )
        except Error as error:
            raise _launch_error(self.path, str(error)) from error
        self._folders += processes.values("--user-data-dir=", self._marker)

    def processes(self) -> list[processes.Process]:
        """Driver, browser and everything below them."""
        return processes.marked(self._marker)

    async def stop(self) -> None:
        """End browser and driver; never raises, at most twice STOP_SECONDS. Kills even when cancelled itself."""
        ours = self.processes()
        try:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._stop_kindly(), STOP_SECONDS)
        finally:
            ours += self.processes()
            processes.kill(ours)
        if self._playwright is not None:
            # With its processes dead the driver's pipe closes, and the library can let go of it.
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._playwright.stop(), STOP_SECONDS)
        for _ in range(40):
            if not any(map(processes.alive, ours)):
                break
            await asyncio.sleep(0.02)
        await asyncio.to_thread(_remove, self._folders)

    async def _stop_kindly(self) -> None:
        with contextlib.suppress(AttributeError):
            await self.browser.close()
        if self._playwright is not None:
            await self._playwright.stop()


def _remove(folders: list[str]) -> None:
    """Profile and artifacts, and the folder of the socket the profile names; those who end well did it themselves."""
    for folder in folders:
        with contextlib.suppress(OSError):
            socket = Path(os.readlink(Path(folder, "SingletonSocket")))
            for each in socket.parent.glob("Singleton*"):
                each.unlink()
            socket.parent.rmdir()
        shutil.rmtree(folder, ignore_errors=True)


async def _start_driver() -> Playwright:
    try:
        from playwright.async_api import async_playwright
    except ImportError as error:
        raise SetupError("The Python package playwright is not installed.", f"In the checkout: {PIP}") from error
    try:
        return await asyncio.wait_for(async_playwright().start(), START_SECONDS)
    except Exception as error:  # whatever the library makes of a driver that dies at once
        raise await asyncio.to_thread(_driver_error, error) from error


def _driver_error(error: Exception) -> SetupError:
    """Ask the driver's own interpreter why it does not start."""
    from playwright._impl._driver import compute_driver_executable

    try:
        node = compute_driver_executable()[0]
        run = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10, check=False)
        said = run.stderr.strip().splitlines()[-1:] if run.returncode else []
    except Exception as reason:
        said = [str(reason)]
    cause = said[0] if said else (_first_line(str(error)) or type(error).__name__)
    if "libatomic" in cause:
        return SetupError("The browser's driver does not start: the library libatomic1 is missing.", f"As root: {APT}")
    return SetupError(f"The browser's driver does not start: {cause}", f"In the checkout: {PIP} --force-reinstall")


def _bundled(playwright: Playwright) -> str:
    path = playwright.chromium.executable_path
    return path if path and Path(path).exists() else ""


def _launch_error(path: str, text: str) -> SetupError:
    if "sandbox" in text.lower() and sandboxed():
        return SetupError(
            f"{path} cannot start its own sandbox.",
            "Allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1).",
        )
    log = Path(tempfile.gettempdir())
    if not os.access(log, os.W_OK):
        return SetupError(f"{path} does not start: {log} is not writable.", "Make it writable, or set TMPDIR.")
    return SetupError(f"{path} does not start: {_cause(text)}", f"As root: {APT}, or name another with {VARIABLE}.")


def _cause(text: str) -> str:
    """The line of a launch log that says why: the browser's own stderr, else the first line."""
    errors = [line.partition("[err]")[2].strip() for line in text.splitlines() if "[err]" in line]
    telling = [line for line in errors if "error" in line.lower() or "cannot" in line.lower()]
    return (telling or [_first_line(text)])[0][:300]


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
