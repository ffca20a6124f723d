"""`harness-tui policy trust`: of a workspace nothing is interpreted before the operator says so, once per content."""

from __future__ import annotations

from pathlib import Path

import click

from . import output
from .output import Format, format_option


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@format_option
def trust(folder: Path, output_format: Format) -> None:
    """Trust the plug-ins of a workspace as they are now; a change ends it."""
    from ..config.trust import read
    from ..domain.errors import UsageError
    from ..port.commands import TrustWorkspace
    from . import link

    content = read(folder)
    if not content.digest:
        raise UsageError(f"{content.path} holds nothing that would be interpreted.", "There is nothing to trust.")
    if output_format is Format.text:
        for name, body in content.files.items():
            output.say(f"{name} ({len(body):,} bytes)")
    link.send(TrustWorkspace(content.path, content.digest, link.operator()), output_format)


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@format_option
def distrust(folder: Path, output_format: Format) -> None:
    """Trust a workspace no longer."""
    import os

    from ..port.commands import DistrustWorkspace
    from . import link

    link.send(DistrustWorkspace(os.path.realpath(folder), link.operator()), output_format)


@click.command()
@format_option
def trusted(output_format: Format) -> None:
    """List trusted workspaces, and whether they still are what was trusted."""
    from ..clients.offline import Archive
    from ..config.paths import Paths
    from ..config.trust import read
    from ..domain.errors import UsageError

    def state(path: str, digest: str) -> str:
        try:
            return "trusted" if read(Path(path)).digest == digest else "changed"
        except UsageError:
            return "unreadable"

    with Archive(Paths.default()) as journal:
        _, rows = journal.governance()
    shown = [(row, state(row.path, row.digest)) for row in sorted(rows.values(), key=lambda r: r.path) if row.digest]
    if output_format is not Format.text:
        output.emit(
            [
                {"path": row.path, "state": now, "digest": row.digest, "by": row.by, "at": output.stamp(row.at)}
                for row, now in shown
            ]
        )
    elif shown:
        output.table(
            ("PATH", "STATE", "DIGEST", "BY", "SINCE"),
            ((row.path, now, row.digest[:12], row.by, output.clock(row.at)) for row, now in shown),
        )
    else:
        output.tell("No workspace is trusted. Trust one: harness-tui policy trust DIR")
