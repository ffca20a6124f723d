"""`--help` and the reading verbs start light: measured in a process of their own, on what they imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SDKS = ("openai", "anthropic", "playwright", "PIL", "httpx2", "genai_prices", "keyring", "cryptography")
HEAVY = ("textual", "rich", "pydantic", "asyncio", "sqlite3", *SDKS)
PROBE = """
import json, sys
sys.argv = ["harness-tui", *sys.argv[1:]]
from harness_tui.__main__ import main
try:
    main()
except SystemExit as end:
    code = end.code
print("\\n" + json.dumps({"code": code, "modules": sorted(sys.modules)}), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["run", "--help"],
        ["demo", "--help"],
        ["runs", "list", "--output-format", "json"],
        ["runs", "list"],
        ["approvals", "list", "--output-format", "json"],
        ["budget", "show", "--output-format", "json"],
        ["budget", "show", "--by", "model"],
        ["key", "--help"],
        ["config", "show", "--output-format", "json"],
        ["replay", "--help"],
        ["policy", "--help"],
        ["policy", "list"],
        ["policy", "list", "--output-format", "json"],
        ["policy", "trusted"],
        ["tools", "--help"],
        ["dag", "--help"],
        ["dag", "list"],
        ["dag", "list", "--output-format", "json"],
        ["engine", "status"],
        ["--version"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(words: list[str], tmp_path: Path) -> None:
    env = {**os.environ, "HARNESS_TUI_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", PROBE, *words], capture_output=True, text=True, env=env, check=True)
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["code"] == 0
    assert not [name for name in HEAVY if name in told["modules"]]
    assert not (tmp_path / "home").exists(), "reading creates nothing"


@pytest.mark.parametrize(
    "room", ["domain", "port", "journal", "engine", "agent", "models", "tools", "daemon", "clients"]
)
def test_nothing_under_the_console_draws(room: str) -> None:
    """What import-linter says of the source, the interpreter says of the process."""
    code = (
        "import importlib, pkgutil, sys\n"
        f"package = importlib.import_module('harness_tui.{room}')\n"
        "for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        "print([n for n in ('textual', 'rich', 'openai', 'anthropic', 'playwright', 'PIL') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
