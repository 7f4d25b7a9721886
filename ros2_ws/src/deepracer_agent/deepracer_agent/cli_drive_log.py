"""``deepracer drive-log``: what a car saw and did, and what another model makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deepracer_agent.cli_evaluate import CheckpointOption, ModelArgument, check_ending
from deepracer_agent.cli_output import AsJson, print_json, print_table, say
from deepracer_agent.cli_runs import RUNS, RunsFolder

app = typer.Typer(help="Look at what a car recorded.", no_args_is_help=True)

DriveArgument = Annotated[
    Path,
    typer.Argument(
        help="Folder of a drive, or the folder that car_node has as parameter log: the newest "
        "drive in it.",
    ),
]


@app.callback()
def drive_log() -> None:
    """Look at what a car recorded."""


@app.command(epilog="Example: deepracer drive-log show drives")
def show(
    drive: DriveArgument,
    every: Annotated[bool, typer.Option("--all", help="Every drive of the folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell how drives went: pictures, latency, faults, changes of state."""
    from deepracer_agent.drive_log_summary import summarize
    from deepracer_car.drive_records import find_drives, read_drive

    if every:
        found = [summarize(read_drive(path)) for path in find_drives(drive)]
        if as_json:
            print_json(found)
        else:
            _print_drives(found)
        return
    summary = summarize(read_drive(drive))
    if as_json:
        print_json(summary)
    else:
        _print_drive(summary)


@app.command(epilog="Example: deepracer drive-log video drives -o drive.mp4")
def video(
    drive: DriveArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="An .mp4 or .gif; by default <drive>.mp4 here."),
    ] = None,
) -> None:
    """Film a drive: what the network saw, what was decided and what was sent."""
    from deepracer_car.drive_records import read_drive

    if output is not None:
        check_ending(output)
    found = read_drive(drive)
    film = output or Path(f"{found.name}.mp4")
    from deepracer_agent.drive_log_film import film_drive

    film_drive(film, found)
    say(f"video  {film}")


@app.command(epilog="Example: deepracer drive-log replay drives my_run --video both.mp4")
def replay(
    drive: DriveArgument,
    model: ModelArgument,
    checkpoint: CheckpointOption = "best",
    table: Annotated[
        Path | None, typer.Option("--csv", help="Write both decisions on every picture here.")
    ] = None,
    film: Annotated[
        Path | None, typer.Option("--video", help="Film both decisions into this .mp4 or .gif.")
    ] = None,
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Show a drive's pictures to a model and compare its decisions with those on the car."""
    from deepracer_agent import drive_log_replay
    from deepracer_car.drive_records import read_drive

    if film is not None:
        check_ending(film)
    result = drive_log_replay.replay(read_drive(drive), model, checkpoint=checkpoint, root=runs)
    if table is not None:
        drive_log_replay.write_table(table, result)
    if film is not None:
        from deepracer_agent.drive_log_film import film_drive

        film_drive(film, result.drive, result)
    if as_json:
        print_json(result.to_json())
    else:
        _print_replay(result.to_json())


def _print_drives(found: list[dict[str, Any]]) -> None:
    print_table(
        ["drive", ">time", ">frames", ">frames/s", ">latency", ">p99", ">faults", "model"],
        [
            (
                drive["drive"],
                f"{drive['seconds']:.1f} s",
                str(drive["frames"]),
                _known(drive["frames_per_second"]),
                _latency(drive, "p50"),
                _latency(drive, "p99"),
                str(sum(drive["faults"].values())),
                ", ".join(drive["models"]),
            )
            for drive in found
        ],
    )


def _print_drive(drive: dict[str, Any]) -> None:
    lines = {
        "drive": drive["drive"],
        "began": drive["began"],
        "time": f"{drive['seconds']:.1f} s, {drive['seconds_driving']:.1f} s of it driving",
        "model": ", ".join(drive["models"]),
        "pictures": f"{drive['frames']}, {_known(drive['frames_per_second'])} per s; "
        f"{drive['skipped']} skipped, {drive['lost']} not recorded",
        "mean speed": f"{_known(drive['mean_speed'])} m/s decided, "
        f"{_known(drive['mean_throttle'])} of the throttle sent",
    }
    for name, key in (("picture to command", "latency_ms"), ("decision", "decision_ms")):
        times = drive[key]
        if times:
            lines[name] = (
                f"{times['p50']:.2f} ms, p99 {times['p99']:.2f} ms, at most {times['max']:.2f} ms"
            )
    faults = [f"{count} x {name}" for name, count in drive["faults"].items()]
    lines["faults"] = ", ".join(faults) or "none"
    if drive["damaged_lines"]:
        lines["damaged"] = f"{drive['damaged_lines']} lines could not be read"
    for name, value in lines.items():
        say(f"{name:<19} {value}")
    if drive["changes"]:
        print_table(
            [">time", "state", "why"],
            [(f"{c['time']:.2f} s", c["state"], c["why"]) for c in drive["changes"]],
        )


def _print_replay(result: dict[str, Any]) -> None:
    say(f"{result['drive']}: {result['model']} against {', '.join(result['recorded_models'])}")
    if result["same_share"] is None:
        say("The car decided on none of the pictures that could be read; nothing to compare.")
        return
    say(
        f"{result['same']} of {result['compared']} decisions are the same "
        f"({100.0 * result['same_share']:.1f} %)"
    )
    angle, speed = result["steering_angle_degrees"], result["speed"]
    say(
        f"steering angle {angle['mean']:.2f} degrees apart, at most {angle['max']:.2f}; "
        f"speed {speed['mean']:.2f} m/s, at most {speed['max']:.2f}"
    )
    if result["unreadable"]:
        say(f"{result['unreadable']} pictures are missing, damaged or of another shape")
    if result["not_a_number"]:
        say(f"{result['not_a_number']} answers were not a number")
    if result["worst"]:
        print_table(
            [">frame", ">time", ">steering", ">speed", ">steering now", ">speed now"],
            [
                (
                    str(row["frame"]),
                    f"{row['time']:.2f} s",
                    *(
                        cell
                        for which in ("recorded", "replayed")
                        for cell in (
                            f"{row[which]['steering_angle']:+.1f}°",
                            f"{row[which]['speed']:.2f} m/s",
                        )
                    ),
                )
                for row in result["worst"]
            ],
            title="Most different",
        )


def _known(value: Any) -> str:
    return "–" if value is None else str(value)


def _latency(drive: dict[str, Any], share: str) -> str:
    times = drive["latency_ms"]
    return f"{times[share]:.2f} ms" if times else "–"
