"""``deepracer model inspect`` and ``deepracer import``: models from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepracer_agent.cli_output import AsJson, print_json, say
from deepracer_agent.cli_runs import RUNS, RunsFolder

if TYPE_CHECKING:
    from deepracer_agent.car_builds import Graph, Verdict
    from deepracer_agent.inspection import Inspection
    from deepracer_car.model_metadata import ModelMetadata

app = typer.Typer(help="Look into models.", no_args_is_help=True)

ModelFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A model bundle, an archive for the car (.tar.gz), a model's folder of the DeepRacer "
        "console or DeepRacer-for-Cloud or an archive of it, a run, or a .pb.",
    ),
]


def add_to(main: typer.Typer) -> None:
    """Add the commands to ``main``."""
    main.command("import", epilog="Example: deepracer import my_old_model.tar.gz --name again")(
        import_model
    )
    main.add_typer(app, name="model")


@app.callback()
def _group() -> None:
    """Keeps ``inspect`` a command of its own while it is the only one."""


@app.command(epilog="Example: deepracer model inspect my_model.tar.gz")
def inspect(file: ModelFile, as_json: AsJson = False) -> None:
    """Tell what a model's file holds, which cars would drive with it, and why others would not."""
    from deepracer_agent.inspection import inspect

    found = inspect(file)
    if as_json:
        print_json(found.to_json())
        return
    _tell_contents(found)
    for verdict in found.verdicts:
        _tell_verdict(verdict)


def import_model(
    file: ModelFile,
    name: Annotated[
        str | None, typer.Option(help="Of the new run; by default made of the file's.")
    ] = None,
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Take over what can be read of a model into a new run.

    Reward function, sensors and actions, hyper-parameters and metrics; a model bundle drives as it
    is. Weights that Amazon's trainer learnt cannot go on learning here. Nothing of the file is run.
    """
    from deepracer_agent.imports import import_model as do_import

    found = do_import(file, name, root=runs)
    if as_json:
        print_json(found.to_json())
        return
    say(f"Run {found.run.path} holds {', '.join(found.taken)}")
    for note in found.notes:
        say(f"note: {note}")
    for line in found.next_steps():
        say(f"Next: {line}")


def _tell_contents(found: Inspection) -> None:
    from deepracer_agent.inspection import KINDS

    say(f"{found.path}: {KINDS[found.contents.kind]}")
    if found.metadata:
        say(f"  {_policy(found.metadata)}")
    if found.graph:
        say(f"  {_graph(found.graph)}")
    if found.contents.coach:
        count, last = len(found.contents.coach), found.contents.coach[-1]
        say(f"  {count} checkpoints of Amazon's trainer, such as {last}: they cannot learn on here")
    if found.provenance:
        told = ("model", "track", "seed", "version", "git", "mean_progress")
        values = found.provenance
        said = [f"{key} {str(values[key])[:80]}" for key in told if values.get(key) is not None]
        say(f"  {', '.join(said)}")
    for note in found.notes:
        say(f"  note: {note}")


def _tell_verdict(verdict: Verdict) -> None:
    from deepracer_agent.car_builds import BUILDS

    mark = "drives" if verdict.is_valid else "does not drive"
    say(f"{verdict.build} ({BUILDS[verdict.build]}): {mark}")
    for problem in verdict.problems:
        say(f"  - {problem}")
    for warning in verdict.warnings:
        say(f"  note: {warning}")


def _policy(metadata: ModelMetadata) -> str:
    space = metadata.action_space.to_metadata()
    names = ("steering_angle", "speed")
    if isinstance(space, dict):
        ranges = [(space[name]["low"], space[name]["high"]) for name in names]
        actions = "continuous actions"
    else:
        values = [[action[name] for action in space] for name in names]
        ranges = [(min(v), max(v)) for v in values]
        actions = f"{len(space)} actions"
    (left, right), (slow, fast) = ranges
    span = f"{left:.3g} to {right:.3g} deg, {slow:.3g} to {fast:.3g} m/s"
    return f"{metadata.training_algorithm}, {' and '.join(metadata.sensor)}, {actions}, {span}"


def _graph(graph: Graph) -> str:
    inputs = ", ".join(f"{name} {list(shape or [])}" for name, shape in graph.inputs.items())
    return f"{graph.name}: {graph.weights:,} weights, from {inputs} to {', '.join(graph.outputs)}"
