"""The program: verbs are registered here, and every way it can end becomes an exit code and one sentence."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer
from typer._click.exceptions import ClickException

from . import approvals, demo, doctor, engine, output, run, runs

EPILOG = "No model at hand? `harness-tui demo` needs no key. Exit codes and JSON shapes are in the README."

app = typer.Typer(
    name="harness-tui",
    help="Run autonomous agents on this machine and govern them from a terminal.",
    epilog=EPILOG,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("run")(run.run)
app.add_typer(runs.app, name="runs")
app.add_typer(approvals.app, name="approvals")
app.add_typer(engine.app, name="engine")
app.command("doctor")(doctor.doctor)


def _version(asked: bool) -> None:
    if asked:
        from .. import __version__

        output.say(f"harness-tui {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run autonomous agents on this machine and govern them from a terminal.

    Without a verb: attach the console; an engine is started if none runs.
    """
    if context.invoked_subcommand is None:
        from .attach import attach

        attach()


def main() -> NoReturn:
    """Run the command line and end the process."""
    sys.exit(_run(sys.argv[1:]))


def _run(argv: list[str]) -> int:
    from ..domain.errors import HarnessError

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(argv, standalone_mode=False, prog_name="harness-tui")
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        output.mute()
        return 0
    except HarnessError as error:
        return _fail(argv, str(error), error.exit_code)
    except ClickException as error:
        help_line = f" Try 'harness-tui {' '.join(w for w in argv[:2] if w[:1].isalpha())}"
        return _fail(argv, error.format_message() + help_line.rstrip() + " --help'.", error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(argv, "Interrupted.", 130)
    except Exception as error:
        return _fail(argv, _internal(error), 70)


def _internal(error: Exception) -> str:
    """A mistake of ours: its kind and place, never its values. HARNESS_TUI_DEBUG=1 prints the whole trace."""
    import os
    import traceback

    if os.environ.get("HARNESS_TUI_DEBUG"):
        traceback.print_exc()
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{os.path.basename(last.filename)}:{last.lineno}"
    return f"Internal error ({type(error).__name__} at {place}); please report it. HARNESS_TUI_DEBUG=1 shows more."


def _fail(argv: list[str], sentence: str, code: int) -> int:
    """One sentence on stderr and, where JSON was asked for, one document on stdout."""
    output.tell(f"harness-tui: {sentence}")
    if output.wants_json(argv):
        try:
            output.emit({"error": sentence, "exit": code})
        except BrokenPipeError:
            output.mute()
    return code
