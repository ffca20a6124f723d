"""The program: verbs are registered here, and every way it can end becomes an exit code and one sentence."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from .. import __version__
from . import approvals, budget, config, dag, demo, doctor, engine, key, loop, output, policy, replay, run, runs, tools

EPILOG = "No model at hand? `harness-tui demo` needs no key. Exit codes and JSON shapes are in the README."


@click.group(invoke_without_command=True, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="harness-tui %(version)s")
@click.option("--theme", envvar="HARNESS_TUI_THEME", default="", metavar="NAME", help="Colours of the console.")
@click.option("--ascii", "plain", is_flag=True, help="Draw the console without Unicode.")
@click.pass_context
def app(context: click.Context, theme: str, plain: bool) -> None:
    """Run autonomous agents on this machine and govern them from a terminal.

    Without a verb: attach the console; an engine is started if none runs.
    """
    if context.invoked_subcommand is None:
        from .attach import attach

        attach(theme=theme, ascii=plain or None)


for verb in (
    demo.demo,
    run.run,
    replay.replay,
    runs.runs,
    approvals.approvals,
    loop.loop,
    dag.dag,
    budget.budget,
    policy.policy,
    tools.tools,
    config.config,
    engine.engine,
    key.key,
    doctor.doctor,
):
    app.add_command(verb)


def main() -> NoReturn:
    """Run the command line and end the process."""
    sys.exit(_run(sys.argv[1:]))


def _run(argv: list[str]) -> int:
    from ..domain.errors import HarnessError

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with app.make_context("harness-tui", list(argv)) as root:
            app.invoke(root)
        return 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except BrokenPipeError:
        output.mute()
        return 0
    except HarnessError as error:
        return _fail(argv, str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return 2
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "harness-tui"
        return _fail(argv, f"{error.format_message()} Try: {path} --help", error.exit_code)
    except (KeyboardInterrupt, click.Abort):
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
