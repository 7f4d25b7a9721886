"""``deepracer export``: a trained policy in the form that a car takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from deepracer_agent.cli_output import AsJson, print_json, say
from deepracer_agent.cli_runs import RUNS, RunsFolder
from deepracer_car.errors import ConfigError


def add_to(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: deepracer export my_run --to bundle")(export)


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="RUN[:CHECKPOINT]|MODEL",
            help="Name of a run (its best checkpoint, unless one is named), or path of a "
            "checkpoint or a model.zip.",
        ),
    ],
    to: Annotated[
        Literal["bundle", "stock-car", "community-car"],
        typer.Option(
            help="bundle: policy.onnx, model_metadata.json and provenance.json, for our own "
            "software. stock-car, community-car: NAME.tar.gz, which a car installs as it is."
        ),
    ] = "bundle",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the bundle, or NAME.tar.gz; by default in the run's folder."),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            metavar="TOP,LEFT,ROWS,COLUMNS",
            help="The part of the 160x120 picture that the policy was trained on, if not the "
            "whole; the export takes whole pictures and cuts it out.",
        ),
    ] = None,
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Export a trained policy for driving without PyTorch.

    It is written only if ONNX Runtime (for a car's archive: OpenVINO) answers as PyTorch does on
    pictures from all round the track.
    """
    from deepracer_agent.car_archive import export_car_archive
    from deepracer_agent.export import export_bundle
    from deepracer_agent.policy_network import Crop

    part = None if crop is None else Crop(*read_crop(crop))
    if to == "bundle":
        bundle = export_bundle(model, out, root=runs, crop=part)
        told: dict[str, Any] = {"path": str(bundle.path), **bundle.provenance}
        name = bundle.name
    else:
        archive = export_car_archive(model, to, out, root=runs, crop=part)
        told = archive.to_json()
        name = archive.provenance["model"]
    if as_json:
        print_json(told)
        return
    parity = told.get("onnx_against_torch") or told["openvino_against_torch"]
    say(f"{to}  {told['path']}")
    say(
        f"{name}; equals PyTorch on {parity['observations']} pictures "
        f"(largest difference {parity['largest_difference']:.1g})"
    )


def read_crop(text: str) -> tuple[int, int, int, int]:
    """Read TOP,LEFT,ROWS,COLUMNS.

    Raises:
        ConfigError: it is not four whole numbers.
    """
    found = re.fullmatch(r"(\d{1,4}),(\d{1,4}),(\d{1,4}),(\d{1,4})", text)
    if found is None:
        raise ConfigError(f"--crop {text} given; four whole numbers TOP,LEFT,ROWS,COLUMNS are it.")
    top, left, rows, columns = map(int, found.groups())
    return top, left, rows, columns
