"""``deepracer runs``: what was trained, and what is being trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepracer_agent.cli_output import AsJson, print_json, print_table, say

RunsFolder = Annotated[Path, typer.Option("--runs", help="The folder that holds the runs.")]
RUNS = Path("runs")


def add_to(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: deepracer runs --json")(runs)


def runs(folder: RunsFolder = RUNS, as_json: AsJson = False) -> None:
    """List the runs with their state and best result."""
    from deepracer_agent.display import clock
    from deepracer_agent.runs import list_runs

    found = sorted(((run, run.status) for run in list_runs(folder)), key=lambda r: r[1].started)
    if as_json:
        print_json(
            [
                {"name": run.name, "path": str(run.path), **status.model_dump(mode="json")}
                for run, status in found
            ]
        )
    elif not found:
        say(f"{folder} holds no runs yet; deepracer train examples/quickstart makes one")
    else:
        print_table(
            ["name", "state", "track", "started", ">time", ">steps", "best"],
            [
                (
                    run.name,
                    status.state,
                    status.track,
                    f"{status.started.astimezone():%Y-%m-%d %H:%M}",
                    clock(status.seconds),
                    f"{status.steps:,}",
                    status.best.text if status.best else _first_line(status.error) or "–",
                )
                for run, status in found
            ],
        )


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
