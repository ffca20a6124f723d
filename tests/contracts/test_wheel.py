"""What is installed is whole: themes, task file and type marker are in the wheel, the tests are not."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from .readme import ROOT


def test_the_wheel_carries_what_the_program_reads(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    for theme in (ROOT / "themes").glob("*.toml"):
        assert f"harness_tui/themes/{theme.name}" in names
    assert {f"harness_tui/themes/{name}.toml" for name in ("dark", "light", "ansi", "mono")} <= names
    assert {"harness_tui/demo/upvote.toml", "harness_tui/py.typed", "harness_tui/__main__.py"} <= names
    assert not [name for name in names if name.startswith("tests")]
    assert "License-Expression: MIT OR Apache-2.0" in metadata
    assert any(name.endswith("licenses/LICENSE") for name in names)
