"""``deepracer car``: the driver on a physical car."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deepracer_agent.cli_output import say
from deepracer_agent.cli_runs import RUNS, RunsFolder
from deepracer_car.errors import ConfigError

if TYPE_CHECKING:
    from deepracer_car.model_bundle import ModelBundle

app = typer.Typer(help="Put the driver on a physical car.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep ``deploy`` a word of its own."""


@app.command(epilog="Example: deepracer car deploy deepracer@10.0.0.1 --model my_run")
def deploy(
    model: Annotated[
        str, typer.Option(metavar="RUN[:CHECKPOINT]|BUNDLE", help="What is to drive.")
    ],
    host: Annotated[
        str | None, typer.Argument(metavar="HOST", help="The car as ssh knows it: user@address.")
    ] = None,
    output: Annotated[
        Literal["replace", "beside"],
        typer.Option(
            help="replace: the car's own software is off, but for its camera and servo nodes. "
            "beside: it runs on, and hands our commands on in its autonomous mode."
        ),
    ] = "replace",
    python: Annotated[
        str | None, typer.Option(help="3.8, 3.10 or 3.12; by default what the car answers.")
    ] = None,
    arch: Annotated[
        str | None, typer.Option(help="x86_64 or aarch64; by default what the car answers.")
    ] = None,
    dry_run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the files to this folder; touch no car."),
    ] = None,
    runs: RunsFolder = RUNS,
) -> None:
    """Install the driver and a model on a car, which needs no internet for it.

    Packages for the car's Python are fetched by pip here and copied over ssh. On the car nothing
    changes before the model has answered a picture there. It then starts with the car, disarmed.
    """
    from deepracer_agent.car_bundle import write_car_bundle
    from deepracer_agent.car_host import CarHost
    from deepracer_agent.car_wheels import MACHINES, Target

    if dry_run is not None:
        if python is None:
            raise ConfigError("--dry-run asks no car: say --python 3.8, 3.10 or 3.12.")
        target = Target(python, arch or MACHINES[0])
        write_car_bundle(dry_run, _bundle_of(model, runs), target, output)
        say(f"{dry_run}  for Python {target.python} on {target.machine}")
        say("Carry the folder to the car, then there: sudo bash install.sh")
        return
    if host is None:
        raise ConfigError("Name the car, such as deepracer@10.0.0.1, or --dry-run and a folder.")
    car = CarHost.ask(host)
    asked = Target(python or car.target.python, arch or car.target.machine)
    if asked != car.target:
        raise ConfigError(
            f"{asked} was asked for, {host} has {car.target}. Leave --python and --arch out."
        )
    bundle = _bundle_of(model, runs)
    with tempfile.TemporaryDirectory() as folder:
        say(f"{host} has {car.target}; fetching packages")
        write_car_bundle(Path(folder), bundle, car.target, output)
        say("Copying")
        car.copy(Path(folder))
    car.install()


def _bundle_of(model: str, runs: Path) -> ModelBundle:
    """Return the bundle of that name, which was seen to drive; a run is exported first."""
    from deepracer_car.decision import Model
    from deepracer_car.model_bundle import PROVENANCE, ModelBundle

    if (Path(model) / PROVENANCE).is_file():
        bundle = ModelBundle.open(model)
    else:
        from deepracer_agent.export import export_bundle

        bundle = export_bundle(model, root=runs)
    Model.open(bundle.path)  # What the driver would refuse on the car is refused here.
    return bundle
