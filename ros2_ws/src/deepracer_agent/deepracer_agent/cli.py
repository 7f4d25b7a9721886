"""The command line: ``deepracer`` and its commands.

A command imports what it needs when it runs, so that help comes at once.
"""

from __future__ import annotations

import io
import os
import sys

import typer

from deepracer_agent import (
    cli_car,
    cli_drive_log,
    cli_evaluate,
    cli_export,
    cli_model,
    cli_reward,
    cli_runs,
    cli_track,
    cli_train,
)
from deepracer_agent.cli_output import printable
from deepracer_car.errors import DeepRacerError

app = typer.Typer(
    name="deepracer",
    help="Train, evaluate and drive AWS DeepRacer cars on your own machine.",
    epilog="Start with: deepracer train examples/quickstart",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli_train.add_to(app)
cli_evaluate.add_to(app)
cli_export.add_to(app)
cli_model.add_to(app)
cli_runs.add_to(app)
app.add_typer(cli_car.app, name="car")
app.add_typer(cli_track.app, name="track")
app.add_typer(cli_reward.app, name="reward")
app.add_typer(cli_drive_log.app, name="drive-log")


def main(arguments: list[str] | None = None) -> int:
    """Run ``deepracer``.

    Args:
        arguments: without the program's name; default: those of the process.

    Returns:
        0 when all is well, 1 after an error, which is told on standard error, 2 when the command
        line was not understood, 130 after Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an old terminal may not know every character
    try:
        app(arguments, prog_name="deepracer")
    except DeepRacerError as error:
        print(printable(f"error: {error}"), file=sys.stderr)  # noqa: T201
        return 1
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        _flush()
    return 0


def _flush() -> None:
    """Let a reader that went away, such as ``head``, end the program without a complaint."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
