"""``deepracer train``: from a folder with a reward function to a policy that drives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from deepracer_agent.cli_evaluate import print_laps
from deepracer_agent.cli_output import say
from deepracer_agent.cli_runs import RUNS, RunsFolder

if TYPE_CHECKING:
    from deepracer_agent.config import TrainingConfig
    from deepracer_agent.runs import RunDirectory
    from deepracer_agent.training import TrainingResult

FLAGS = {
    "track": "track",
    "direction": "direction",
    "seed": "seed",
    "network": "network",
    "device": "device",
    "simulator": "simulator",
    "ranks": "ranks",
    "cars": "cars",
    "time": "stop.time",
    "steps": "stop.steps",
    "episodes": "stop.episodes",
    "laps": "stop.laps",
    "video": "video",
    "plot": "plot",
}
"""The setting that each flag overrides."""

SETTINGS, STOP, RUN = "Settings", "End of the run", "Runs"

Folder = Annotated[
    Path | None,
    typer.Argument(
        help="Holds any of reward_function.py, model_metadata.json, hyperparameters.json and "
        "training.yaml; or the folder of a run, to train anew with all its settings."
    ),
]
Track = Annotated[str | None, typer.Option(help="Name or file.", rich_help_panel=SETTINGS)]
Direction = Annotated[
    Literal["cw", "ccw"] | None,
    typer.Option(help="Which way the track is driven.", rich_help_panel=SETTINGS),
]
Seed = Annotated[int | None, typer.Option(help="Of everything random.", rich_help_panel=SETTINGS)]
Network = Annotated[
    Literal["fast", "deepracer"] | None,
    typer.Option(help="Small, or the original's.", rich_help_panel=SETTINGS),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"] | None,
    typer.Option(help="Where the network runs.", rich_help_panel=SETTINGS),
]
Simulator = Annotated[
    Literal["embedded", "simulator_node", "gazebo"] | None,
    typer.Option(help="In this process, or over ROS 2.", rich_help_panel=SETTINGS),
]
Ranks = Annotated[
    str | None,
    typer.Option(help="Processes that train together, or auto.", rich_help_panel=SETTINGS),
]
Cars = Annotated[int | None, typer.Option(help="Cars driven at once.", rich_help_panel=SETTINGS)]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other setting of training.yaml, such as learning.gae_lambda=0.9; may be given "
        "several times.",
        rich_help_panel=SETTINGS,
    ),
]
Time = Annotated[
    str | None, typer.Option(help="After this time, such as '10 min'.", rich_help_panel=STOP)
]
Steps = Annotated[int | None, typer.Option(help="After so many steps.", rich_help_panel=STOP)]
Episodes = Annotated[int | None, typer.Option(help="After so many episodes.", rich_help_panel=STOP)]
Laps = Annotated[
    int | None,
    typer.Option(help="When so many laps from every start are clean.", rich_help_panel=STOP),
]
Video = Annotated[
    bool | None,
    typer.Option("--video/--no-video", help="Film the best lap.", rich_help_panel=STOP),
]
Plot = Annotated[
    bool | None,
    typer.Option("--plot/--no-plot", help="Draw reward and progress.", rich_help_panel=STOP),
]
Name = Annotated[str | None, typer.Option(help="Of the new run.", rich_help_panel=RUN)]
Resume = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        help="Go on with a run that was stopped or killed; 'last' is the newest.",
        rich_help_panel=RUN,
    ),
]
StartFrom = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="RUN[:CHECKPOINT]",
        help="Start a new run from the policy of another one.",
        rich_help_panel=RUN,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        epilog="Example: deepracer train examples/quickstart --track Oval_track --time '5 min'"
    )(train)


def train(
    context: typer.Context,
    folder: Folder = None,
    track: Track = None,
    direction: Direction = None,
    seed: Seed = None,
    network: Network = None,
    device: Device = None,
    simulator: Simulator = None,
    ranks: Ranks = None,
    cars: Cars = None,
    settings: Settings = None,
    time: Time = None,
    steps: Steps = None,
    episodes: Episodes = None,
    laps: Laps = None,
    video: Video = None,
    plot: Plot = None,
    name: Name = None,
    resume: Resume = None,
    start_from: StartFrom = None,
    runs: RunsFolder = RUNS,
) -> None:
    """Train a policy; every setting of training.yaml can be overridden here.

    Ctrl-C ends the training and keeps everything that was learnt.
    """
    from deepracer_agent.distributed import is_follower

    if is_follower():
        from deepracer_agent import rank

        rank.main()
    overrides = _overrides(context.params, settings or [])
    if resume is not None:
        if folder or name or start_from:
            raise typer.BadParameter("--resume goes without FOLDER, --name and --from")
        result = _resume(resume, runs, overrides)
    elif folder is None:
        raise typer.BadParameter("give FOLDER, such as examples/quickstart, or --resume RUN")
    else:
        result = _train(folder, name, start_from, runs, overrides)
    _tell(result)
    if "SIGINT" in result.reason:
        raise typer.Exit(130)


def _overrides(params: dict[str, Any], settings: list[str]) -> dict[str, Any]:
    """Settings given by flags and by ``--set``, by dotted key."""
    from deepracer_agent.config_files import read_assignments, read_value
    from deepracer_car.errors import ConfigError

    overrides = {
        key: read_value(params[flag]) if flag == "ranks" else params[flag]
        for flag, key in FLAGS.items()
        if params[flag] is not None
    }
    try:
        overrides.update(read_assignments(settings))
    except ConfigError as error:
        raise typer.BadParameter(f"--set: {error}") from None
    return overrides


def _train(
    folder: Path, name: str | None, start_from: str | None, runs: Path, overrides: dict[str, Any]
) -> TrainingResult:
    from deepracer_agent import training
    from deepracer_agent.display import TrainingDisplay
    from deepracer_agent.training_folder import load_training_folder

    config, reward = load_training_folder(folder, overrides)
    with TrainingDisplay(_title(config, name or "new run")) as display:
        return training.train(
            config, reward, name=name, root=runs, start_from=start_from, show=display.update
        )


def _resume(name: str, runs: Path, overrides: dict[str, Any]) -> TrainingResult:
    from deepracer_agent import training
    from deepracer_agent.config import TrainingConfig
    from deepracer_agent.display import TrainingDisplay
    from deepracer_agent.runs import RunDirectory

    name, checkpoint = training.split_checkpoint(name)
    run = _newest(runs) if name == "last" else RunDirectory.open(runs, name)
    config = TrainingConfig.load(run.config).overridden(overrides, str(run.config))
    with TrainingDisplay(_title(config, run.name)) as display:
        return training.resume(
            f"{run.path}:{checkpoint or 'last'}", root=runs, config=config, show=display.update
        )


def _newest(runs: Path) -> RunDirectory:
    from deepracer_agent.runs import list_runs
    from deepracer_car.errors import RunError

    found = list_runs(runs)
    if not found:
        raise RunError(f"{runs} holds no runs; there is nothing to resume.")
    return max(found, key=lambda run: run.status.started)


def _title(config: TrainingConfig, name: str) -> str:
    return f"{name} on {Path(config.track).stem}"


def _tell(result: TrainingResult) -> None:
    """Print how the training ended, laps of its best policy, and where to find what."""
    from deepracer_agent.results import write_results

    say(f"Run {result.run.name} ended: {result.reason}")
    results = write_results(result.run)
    if results.evaluation is not None:
        print_laps(results.evaluation)
    found = {
        "run": result.run.path,
        "model": results.model,
        "plot": results.plot,
        "video": results.video,
    }
    for word, path in found.items():
        if path is not None:
            say(f"{word:6} {path}")
    trained_on = result.run.status.track
    other = "Oval_track" if trained_on != "Oval_track" else "reinvent_base"
    say(f"Next: deepracer evaluate {result.run.path} --track {other}")
