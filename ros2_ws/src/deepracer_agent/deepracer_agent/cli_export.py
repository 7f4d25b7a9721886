"""``deepracer export``: a trained policy in the form that a car takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from deepracer_agent.cli_output import AsJson, print_json, say
from deepracer_agent.cli_runs import RUNS, RunsFolder


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
        Literal["bundle"],
        typer.Option(help="bundle: policy.onnx, model_metadata.json and provenance.json."),
    ] = "bundle",
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; by default bundle in the run's.")
    ] = None,
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Export a trained policy for driving without PyTorch.

    It is written only if ONNX Runtime answers as PyTorch does on pictures from all round the track.
    """
    from deepracer_agent.export import export_bundle

    bundle = export_bundle(model, out, root=runs)
    if as_json:
        print_json({"path": str(bundle.path), **bundle.provenance})
        return
    parity = bundle.provenance["onnx_against_torch"]
    say(f"{to}  {bundle.path}")
    say(
        f"{bundle.name}; equals PyTorch on {parity['observations']} pictures "
        f"(largest difference {parity['largest_difference']:.1g})"
    )
