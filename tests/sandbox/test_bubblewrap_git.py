"""The operator's next git command finds nothing that a child has planted, in the checkout or in a submodule."""

from __future__ import annotations

from pathlib import Path

from harness_tui.sandbox.base import Command, Finished
from harness_tui.sandbox.bubblewrap import Bubblewrap

from .repository import Repository


async def sh(sandbox: Bubblewrap, text: str) -> Finished:
    return await sandbox.run(Command(("bash", "-c", text), "/bin/bash", deadline=60))


async def test_nothing_is_planted_in_a_submodule(tmp_path: Path) -> None:
    source = Repository((tmp_path / "source").resolve())
    repository = Repository((tmp_path / "repository").resolve())
    for path in ("vendor/deep/there", "vendor/absent"):
        repository.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(source.folder), path)
    repository.git("commit", "-qm", "submodules")
    repository.git("submodule", "deinit", "-f", "vendor/absent")
    sandbox = Bubblewrap(repository.folder, hidden=())
    await sandbox.open()
    plant = "git init -q {0} && git -C {0} config core.fsmonitor 'touch {1};'"
    sprung = repository.folder / "sprung"
    tries = (
        "rm -rf vendor/deep/there/.git && " + plant.format("vendor/deep/there", sprung),
        "mv vendor old && mkdir -p vendor/deep && " + plant.format("vendor/deep/there", sprung),
        "mv vendor/deep old && mkdir -p vendor/deep && " + plant.format("vendor/deep/there", sprung),
        "mv vendor/deep/there old && " + plant.format("vendor/deep/there", sprung),
        plant.format("vendor/absent", sprung),
        "mv vendor/absent old && " + plant.format("vendor/absent", sprung),
    )
    for text in tries:
        assert (await sh(sandbox, text)).code != 0, text
    assert (await sh(sandbox, "echo changed > vendor/deep/there/a.txt; touch vendor/new")).code == 0
    repository.git("status")
    assert not sprung.exists()
    # The same without a sandbox: git does look into submodules.
    repository.git("-C", "vendor/deep/there", "config", "core.fsmonitor", f"touch {sprung};")
    repository.git("status")
    assert sprung.exists()


async def test_a_child_makes_no_submodule_of_its_own(tmp_path: Path) -> None:
    repository = Repository((tmp_path / "repository").resolve())
    sandbox = Bubblewrap(repository.folder, hidden=())
    await sandbox.open()
    made = await sh(
        sandbox, "git init -q sub && git -C sub -c user.name=x -c user.email=x commit -q --allow-empty -m x"
    )
    assert made.code == 0
    assert (await sh(sandbox, "git add sub")).code != 0
    assert repository.git("ls-files", "--stage", "sub") == ""
