"""The archive that a car with its own software installs; see `deepracer_agent.stock_car`."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepracer_agent.evaluation import Model
from deepracer_agent.export_check import Answers, Looks, check_answers, softmax
from deepracer_agent.export_source import open_source
from deepracer_agent.frozen_graph import to_frozen_graph
from deepracer_agent.graph_nodes import read_nodes
from deepracer_agent.graph_numpy import run_graph
from deepracer_agent.policy_network import Crop
from deepracer_agent.runs import reported
from deepracer_agent.stock_car import (
    ENDING,
    GRAPH,
    METADATA,
    Car,
    check_name,
    input_node,
    output_node,
    problems,
    safe_name,
)
from deepracer_agent.training import RUNS
from deepracer_car.action_space import DiscreteActionSpace
from deepracer_car.errors import ConfigError, ModelError

CHANGED = 946684800
"""Time of change of the files inside, s: one model gives one archive, to the byte."""
GZIP = 16 + zlib.MAX_WBITS
"""What zlib calls a gzip file; it notes no time in it."""
READ_AGAIN = 4
"""Pictures on which numpy, which is slow, calculates the graph too."""


@dataclass(frozen=True)
class CarArchive:
    """What was written.

    Attributes:
        path: the archive.
        md5: of the graph; a car ignores an archive whose graph it already has.
        inputs: names of the graph's inputs.
        output: name of its output.
        observations: how many pictures it was checked on.
        largest_difference: between OpenVINO's answers and torch's.
        provenance: where the policy comes from.
    """

    path: Path
    md5: str
    inputs: tuple[str, ...]
    output: str
    observations: int
    largest_difference: float
    provenance: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        parity = {
            "observations": self.observations,
            "largest_difference": self.largest_difference,
        }
        return {
            "path": str(self.path),
            "md5": self.md5,
            "inputs": list(self.inputs),
            "output": self.output,
            "openvino_against_torch": parity,
            **self.provenance,
        }


def export_car_archive(
    model: str | Model,
    car: Car = "stock-car",
    out: Path | None = None,
    *,
    checkpoint: str = "best",
    root: Path = RUNS,
    crop: Crop | None = None,
) -> CarArchive:
    """Write ``NAME.tar.gz``, once OpenVINO is seen to read the graph and to answer as torch does.

    Args:
        model: see `deepracer_agent.evaluation.find_model`.
        car: whose software is to install it.
        out: the file; default: in the run. An archive of a car that is there is replaced.
        checkpoint: of a run: ``best``, ``last`` or a number.
        root: folder of all runs.
        crop: the part of the car's picture that the policy was trained on, if not the whole.

    Raises:
        DeepRacerError: there is no such model, a car would not drive as it decides, or the disk
            refuses; what was in ``out`` is left as it was.
    """
    source = open_source(model, checkpoint, root, crop)
    metadata = source.model.metadata
    if found := problems(metadata):
        raise ConfigError(f"Not exported for a {car}: {'; '.join(found)}.")
    target = source.target(out, f"{car}/{safe_name(source.model.name)}{ENDING}")
    _check_target(target)
    sensors = [sensor for sensor in (metadata.camera, metadata.lidar) if sensor]
    inputs = tuple(input_node(metadata, sensor) for sensor in sensors)
    output = output_node(metadata, car)
    discrete = isinstance(metadata.action_space, DiscreteActionSpace)
    graph = to_frozen_graph(source.network, inputs, output, discrete=discrete)
    description = json.dumps(metadata.to_json(), indent=4).encode() + b"\n"
    looks, expected = source.looks()
    if discrete:
        expected = softmax(expected)
    with reported("write", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            file = Path(folder) / Path(GRAPH).name
            file.write_bytes(graph)
            given = as_the_car(looks)
            answers = openvino_answers(file, inputs, output, given)
            difference = check_answers(answers, expected, runtime="OpenVINO", discrete=discrete)
            few = [x[:READ_AGAIN] for x in given]
            _, again = run_graph(read_nodes(file.read_bytes()), dict(zip(inputs, few, strict=True)))
            check_answers(again, expected[:READ_AGAIN], runtime="numpy", discrete=discrete)
            archive = Path(folder) / target.name
            archive.write_bytes(_pack({METADATA: description, GRAPH: graph}))
            archive.replace(target)
    md5 = hashlib.md5(graph, usedforsecurity=False).hexdigest()
    return CarArchive(target, md5, inputs, output, len(expected), difference, source.provenance())


def as_the_car(looks: Looks) -> list[npt.NDArray[np.float32]]:
    """Return what a car would give its network: channels last, floats of 0 to 255."""
    pictures = looks.pictures.transpose(0, 2, 3, 1).astype(np.float32)
    return [pictures] if looks.lidar is None else [pictures, looks.lidar]


def openvino_answers(
    graph: Path, inputs: Sequence[str], output: str, given: Sequence[npt.NDArray[np.float32]]
) -> Answers:
    """Return what OpenVINO answers to what is ``given`` to the ``inputs`` of a frozen graph.

    Raises:
        ModelError: OpenVINO is not installed, cannot read the graph, or finds other inputs or
            outputs in it.
    """
    try:
        import openvino
    except ImportError:
        raise ModelError(
            "OpenVINO is needed to check an archive for the car and is not installed: "
            "pip install openvino."
        ) from None
    core = openvino.Core()
    try:
        model = core.read_model(graph)
        found, ends = ([_name(port) for port in ports] for ports in (model.inputs, model.outputs))
        if sorted(found) != sorted(inputs) or ends != [output]:
            raise ModelError(
                f"Not exported: OpenVINO finds the inputs {found} and the outputs {ends} instead "
                f"of {list(inputs)} and {[output]}. Please report this with the checkpoint."
            )
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        answers = compiled({found.index(name): x for name, x in zip(inputs, given, strict=True)})
    except RuntimeError as error:
        raise ModelError(f"Not exported: OpenVINO cannot read the graph: {error}") from None
    return np.asarray(answers[0], dtype=np.float32)


def _name(port: Any) -> str:
    """Of an input or output as the graph has it: OpenVINO adds the number of the tensor."""
    return str(min(port.get_names(), key=len)).removesuffix(":0")


def _check_target(target: Path) -> None:
    """Refuse a name that a car cannot install, and a file that is something else."""
    if not target.name.endswith(ENDING):
        raise ConfigError(f"{target} given; a car installs only files named NAME{ENDING}.")
    check_name(target.name.removesuffix(ENDING))
    if not target.exists():
        return
    try:
        with tarfile.open(target, "r:gz") as archive:
            first_two = [entry.name for entry in itertools.islice(archive, 2)]
            is_ours = first_two == [METADATA, GRAPH]
    except (OSError, tarfile.TarError, EOFError):
        is_ours = False
    if not is_ours:
        raise ConfigError(f"{target} is there and is no archive of a car; give another --out.")


def _pack(files: dict[str, bytes]) -> bytes:
    """A ``.tar.gz`` of ``files``, always the same bytes for the same content."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), CHANGED
            archive.addfile(entry, io.BytesIO(content))
    # Weights hold no repetitions: looking for them takes half a second and gains nothing.
    squeezed = zlib.compressobj(1, zlib.DEFLATED, GZIP, strategy=zlib.Z_HUFFMAN_ONLY)
    return squeezed.compress(packed.getbuffer()) + squeezed.flush()
