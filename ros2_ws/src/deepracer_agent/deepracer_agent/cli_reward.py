"""``deepracer reward``: check a reward function before training with it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from deepracer_agent.cli_output import AsJson, print_json, say

app = typer.Typer(help="Check reward functions.", no_args_is_help=True)


@app.callback()
def reward() -> None:
    """Check reward functions."""


@app.command(epilog="Example: deepracer reward check examples/quickstart/reward_function.py")
def check(
    file: Annotated[Path, typer.Argument(help="The file with reward_function(params).")],
    track: Annotated[
        list[str] | None,
        typer.Option(help="Track to try it on; may be given several times. Default: three."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read a reward function and try it in many situations, in a process of its own.

    Ends with code 1 if one cannot train with it.
    """
    from deepracer_sim.reward_check import check_reward
    from deepracer_sim.track_library import load_track

    report = check_reward(file, [load_track(name) for name in track] if track else None)
    if as_json:
        print_json({"ok": report.ok, **dataclasses.asdict(report)})
    else:
        say(report.describe())
    if not report.ok:
        raise typer.Exit(1)
