"""The Typer application and its way with errors. Public from :mod:`automl_zero.cli`."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from automl_zero.cli import (
    _compare,
    _configs,
    _demo,
    _evaluate,
    _evolve,
    _export,
    _ops,
    _report,
    _resume,
    _runs,
    _show,
    _trace,
)
from automl_zero.cli._output import RunFailure

USAGE_ERROR: Final = 2
"""Exit code for wrong arguments, configurations, programs and files."""
RUN_FAILURE: Final = 1
"""Exit code for what went wrong later: no memory, no space, a bug."""
INTERRUPTED: Final = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""

COMMANDS: Final = "automl_zero.commands"
"""Entry point group of Typer applications that become commands under their names. Packages that
build on this one (``l2o``) declare theirs there, since this one may not import them."""


class _Commands(TyperGroup):
    """The commands of this package and, loaded when asked for, those of :data:`COMMANDS`."""

    def list_commands(self, ctx: Any) -> list[str]:
        declared = metadata.entry_points(group=COMMANDS).names
        return [*super().list_commands(ctx), *sorted(declared)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        for entry in metadata.entry_points(group=COMMANDS, name=cmd_name):
            command = typer.main.get_command(entry.load())
            command.name = cmd_name
            return command
        return None


app = typer.Typer(
    name="automl-zero",
    cls=_Commands,
    help="Evolve machine learning algorithms from scratch.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(_demo.demo)
app.command("evolve")(_evolve.evolve)
app.command("resume")(_resume.resume)
app.command("runs")(_runs.runs)
app.command("show")(_show.show)
app.command("report")(_report.report)
app.command("compare")(_compare.compare)
app.command("evaluate")(_evaluate.evaluate)
app.command("trace")(_trace.trace)
app.command("export")(_export.export)
app.command("ops")(_ops.ops)
app.command("configs")(_configs.configs)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"automl-zero {metadata.version('automl-zero')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments; None takes those of the process.

    Returns:
        The exit code: 0; 2 for wrong input and 1 for a failed run, each with one line on
        standard error; 130 after Ctrl-C. With ``AUTOML_ZERO_DEBUG=1`` in the environment a
        failure also prints its traceback.
    """
    args = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # "×" on an ASCII terminal is no failure
    try:
        result = app(args or ["--help"], prog_name="automl-zero", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (a pager, head) has gone: nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return RUN_FAILURE
    except (KeyboardInterrupt, typer.Abort):  # older Typer; newer ones give back 130
        return _complain("interrupted", INTERRUPTED)
    except MemoryError as error:
        return _complain(f"out of memory: {error}" if str(error) else "out of memory", RUN_FAILURE)
    except (ValueError, OSError) as error:
        return _complain(_os_text(error) if isinstance(error, OSError) else error, USAGE_ERROR)
    except RunFailure as error:
        return _complain(error, RUN_FAILURE)
    except Exception as error:
        # Wrong options come as exceptions of click, whose home depends on Typer's version.
        if hasattr(error, "format_message"):
            return _complain(f"{error.format_message()} (see automl-zero --help)", USAGE_ERROR)
        return _complain(f"internal error: {type(error).__name__}: {error}", RUN_FAILURE)
    if result == INTERRUPTED:
        return _complain("interrupted", INTERRUPTED)
    return result if isinstance(result, int) else 0


def _os_text(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or error}"


def _complain(message: object, code: int) -> int:
    if os.environ.get("AUTOML_ZERO_DEBUG") == "1" and sys.exc_info()[0] is not None:
        traceback.print_exc()
    line = " ".join(str(message).split())
    print(f"automl-zero: {line}", file=sys.stderr)
    return code
