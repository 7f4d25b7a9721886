"""``deepracer evaluate`` and ``deepracer drive``: what a policy can do, as table and film."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deepracer_agent.cli_output import AsJson, print_json, print_table, say
from deepracer_agent.cli_runs import RUNS, RunsFolder

if TYPE_CHECKING:
    from deepracer_agent.evaluation import EvaluationResult

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN|MODEL",
        help="Name of a run, or path of a checkpoint, a model.zip or a model bundle.",
    ),
]
TrackOption = Annotated[
    str | None, typer.Option(help="Name or file; by default the one it was trained on.")
]
LapsOption = Annotated[int, typer.Option(help="How many laps.", min=1)]
CheckpointOption = Annotated[str, typer.Option(help="Of a run: best, last or a number.")]
DirectionOption = Annotated[
    Literal["cw", "ccw"] | None,
    typer.Option(help="Which way the track is driven; by default as in training."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: deepracer evaluate my_run --track Oval_track --laps 5 --json")(
        evaluate
    )
    app.command(epilog="Example: deepracer drive my_run --output lap.gif")(drive)


def evaluate(
    model: ModelArgument,
    track: TrackOption = None,
    laps: LapsOption = 3,
    checkpoint: CheckpointOption = "best",
    direction: DirectionOption = None,
    video: Annotated[
        Path | None, typer.Option(help="Film all of it into this .mp4 or .gif.")
    ] = None,
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Drive laps with a trained policy and print how they went.

    A car that leaves the road is put back on it and loses time, as in the original's evaluations.
    """
    from deepracer_agent import evaluation

    if video is not None:
        check_ending(video)
    result = evaluation.evaluate(
        model, track=track, direction=direction, laps=laps, checkpoint=checkpoint, root=runs
    )
    if video is not None:
        evaluation.film(video, result)
    if as_json:
        print_json({**result.to_json(), "video": str(video) if video else None})
        return
    print_laps(result)
    if video is not None:
        say(f"video  {video}")


def drive(
    model: ModelArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="An .mp4 or .gif; by default <run>.mp4 here."),
    ] = None,
    track: TrackOption = None,
    laps: LapsOption = 1,
    checkpoint: CheckpointOption = "best",
    direction: DirectionOption = None,
    runs: RunsFolder = RUNS,
) -> None:
    """Film a drive of a trained policy."""
    video = output or Path(f"{Path(model).stem}.mp4")
    evaluate(model, track, laps, checkpoint, direction, video, runs)


def print_laps(result: EvaluationResult) -> None:
    """Print a table of laps."""
    table = result.to_json()
    print_table(
        [">lap", ">time", ">progress", ">off-tracks", "result"],
        [
            (
                str(lap["lap"]),
                f"{lap['seconds']:.2f} s",
                f"{lap['progress']:.1f} %",
                str(lap["off_tracks"]),
                lap["result"].replace("_", " "),
            )
            for lap in table["laps"]
        ],
        title=f"{table['model']} on {table['track']}, {table['direction']}",
    )


def check_ending(video: Path) -> None:
    """Refuse a film that cannot be written before anything is computed for it."""
    if video.suffix.lower() not in (".mp4", ".gif"):
        raise typer.BadParameter(f"'{video}' given; a film ends with .mp4 or .gif")
    if not video.parent.is_dir():
        raise typer.BadParameter(f"'{video}' given; there is no folder {video.parent}")
