"""What a file or folder holds of a model, and which cars would drive with it."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from deepracer_agent.archives import MAX_FILE, ModelFiles, open_files
from deepracer_agent.car_builds import (
    OTHERS,
    OURS,
    Graph,
    Verdict,
    archive_problems,
    graph_verdict,
)
from deepracer_agent.graph_nodes import read_nodes
from deepracer_agent.network_check import try_network
from deepracer_car.errors import ConfigError, ModelError
from deepracer_car.model_bundle import METADATA, POLICY, PROVENANCE, ModelBundle
from deepracer_car.model_metadata import KEYS, ModelMetadata

Kind = Literal["run", "bundle", "model folder", "car archive", "frozen graph", "training files"]
KINDS: dict[Kind, str] = {
    "run": "a training run",
    "bundle": "a model bundle",
    "model folder": "a model of the DeepRacer console or of DeepRacer-for-Cloud",
    "car archive": "a model for the car",
    "frozen graph": "a frozen graph",
    "training files": "the files of a training",
}
COACH = re.compile(r"(\d+)_Step-(\d+)\.ckpt\b.*")
"""Files of a checkpoint that Amazon's trainer wrote."""
REWARD = "reward_function.py"
HYPERPARAMETERS = "hyperparameters.json"


@dataclass(frozen=True)
class Contents:
    """Where in some files the parts of a model are.

    Attributes:
        kind: what they are together.
        metadata, reward, hyperparameters: names of the files; None where there is none.
        bundle: the folder of a model bundle in them, ``""`` being the top; None without one.
        run: the folder of a run, likewise.
        graphs: frozen graphs.
        coach: checkpoints of Amazon's trainer, by name.
        checkpoints: saved models of a run of ours.
    """

    kind: Kind
    metadata: str | None
    reward: str | None
    hyperparameters: str | None
    bundle: str | None
    run: str | None
    graphs: tuple[str, ...]
    coach: tuple[str, ...]
    checkpoints: tuple[str, ...]

    @classmethod
    def of(cls, files: ModelFiles) -> Contents:
        """Find them.

        Raises:
            ModelError: there is nothing of a model.
        """
        run = _folder_with(files, "status.json", "config.yaml")
        bundle = _folder_with(files, POLICY, PROVENANCE)
        names = {PurePosixPath(name).name for name in files.sizes}
        coach = {m[0].partition(".ckpt")[0] for n in names if (m := COACH.fullmatch(n))}
        graphs = tuple(files.ending(".pb"))
        reward, hyperparameters = (
            next(iter(files.named(name)), None) for name in (REWARD, HYPERPARAMETERS)
        )
        metadata = _metadata(files, run, bundle)
        kind = _kind(run, bundle, names, graphs, metadata, bool(reward or hyperparameters))
        if kind is None:
            raise ModelError(
                f"{files.path} holds nothing of a model that is known here: a model bundle, an "
                "archive for the car, a folder of the DeepRacer console or DeepRacer-for-Cloud, a "
                "run, or a .pb."
            )
        saved = tuple(name for name in files.sizes if name.endswith("/model.zip"))
        return cls(
            kind,
            metadata,
            reward,
            hyperparameters,
            bundle,
            run,
            graphs,
            tuple(sorted(coach, key=_numbers)),
            saved,
        )


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        path: the file or folder.
        contents: its parts.
        metadata: sensors and action space, where they can be read.
        graph: the frozen graph that a car would take.
        notes: what is worth knowing besides.
        verdicts: one for each of `BUILDS`.
        provenance: where a bundle comes from.
    """

    path: Path
    contents: Contents
    metadata: ModelMetadata | None
    graph: Graph | None
    notes: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    provenance: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        graph = self.graph
        return {
            "path": str(self.path),
            "kind": self.contents.kind,
            "metadata": self.metadata.to_json() if self.metadata else None,
            "graph": None
            if graph is None
            else {
                "file": graph.name,
                "inputs": {name: shape and list(shape) for name, shape in graph.inputs.items()},
                "outputs": list(graph.outputs),
                "operations": graph.ops,
                "weights": graph.weights,
            },
            "coach_checkpoints": list(self.contents.coach),
            "provenance": self.provenance,
            "notes": list(self.notes),
            "cars": {
                verdict.build: {
                    "valid": verdict.is_valid,
                    "problems": list(verdict.problems),
                    "warnings": list(verdict.warnings),
                }
                for verdict in self.verdicts
            },
        }


def inspect(path: Path) -> Inspection:
    """Look into a bundle, an archive, the folder of a model or a ``.pb``; nothing of it is run.

    Raises:
        ModelError: it cannot be read, is nothing that is known, or holds what must not be in it.
    """
    with open_files(path) as files:
        contents = Contents.of(files)
        notes = [f"{name} is a link or no file and was passed over" for name in files.skipped[:5]]
        metadata, graph = None, None
        provenance: dict[str, Any] = {}
        missing, ours = ["there is no model_metadata.json"], [_no_bundle(contents)]
        try:
            metadata, more = _read_metadata(files, contents, path)
            notes += more
        except (ConfigError, ModelError) as error:
            missing = [str(error)]
        if contents.bundle is not None:
            ours, provenance = _try_bundle(files, contents.bundle)
        others = _not_installable(contents, files)
        if contents.graphs:
            graph, unread = _read_graph(files, contents)
            others += unread
        verdicts = [Verdict(OURS, tuple(ours))]
        for build in OTHERS:
            if metadata is None:
                verdicts.append(Verdict(build, (*others, *missing)))
            elif graph is None:
                verdicts.append(Verdict(build, tuple(others)))
            else:
                found = graph_verdict(build, graph, metadata)
                verdicts.append(Verdict(build, (*others, *found.problems), found.warnings))
        return Inspection(
            path, contents, metadata, graph, tuple(notes), tuple(verdicts), provenance
        )


def read_metadata(content: bytes, name: str) -> tuple[ModelMetadata, list[str]]:
    """Read ``model_metadata.json`` as a car does, which passes over keys it does not know.

    Returns:
        the metadata, and what was passed over, in words.

    Raises:
        ConfigError: it cannot be used.
    """
    try:
        given = json.loads(content)
        unknown = sorted(map(str, given.keys() - set(KEYS)))
        known = {key: value for key, value in given.items() if key in KEYS}
        metadata = ModelMetadata.from_json(known)
    except (ValueError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{name}: is not valid JSON: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    return metadata, [f"{name}: {key[:60]} is unknown and passed over" for key in unknown[:5]]


def extract_bundle(files: ModelFiles, folder: str, target: Path) -> ModelBundle:
    """Copy the bundle below ``folder`` into ``target``, which is new, and try its network.

    Raises:
        ModelError: it is damaged, does not drive, or could do other things than drive.
    """
    target.mkdir()
    for name in (POLICY, METADATA, PROVENANCE):
        file = str(PurePosixPath(folder, name))
        if file not in files.sizes:
            raise ModelError(f"The model bundle is damaged: there is no {file}.")
        limit = {"limit": MAX_FILE} if name == POLICY else {}
        (target / name).write_bytes(files.read(file, **limit))
    bundle = ModelBundle.open(target)
    try_network(bundle)
    return bundle


def _try_bundle(files: ModelFiles, folder: str) -> tuple[list[str], dict[str, Any]]:
    """Why our own software would not drive with a bundle, and where it comes from."""
    with tempfile.TemporaryDirectory(prefix="deepracer-") as aside:
        try:
            return [], extract_bundle(files, folder, Path(aside) / "bundle").provenance
        except ModelError as error:
            return [str(error).replace(f"{aside}/bundle/", "")], {}


def _no_bundle(contents: Contents) -> str:
    if contents.kind == "run":
        return "there is no model bundle in it: deepracer export RUN --to bundle makes one"
    if contents.kind == "training files":
        return "there is no policy in it: train one with deepracer train"
    return "it drives with model bundles, and TensorFlow's weights cannot be made one here"


def _not_installable(contents: Contents, files: ModelFiles) -> list[str]:
    """Why no car with other software would install it."""
    if contents.kind == "training files":
        return ["there is no policy in it"]
    if contents.kind in ("bundle", "run"):
        return ["it installs NAME.tar.gz with a frozen graph: deepracer export RUN --to stock-car"]
    return archive_problems(files)


def _read_metadata(
    files: ModelFiles, contents: Contents, path: Path
) -> tuple[ModelMetadata | None, list[str]]:
    if contents.metadata is not None:
        return read_metadata(files.read(contents.metadata), contents.metadata)
    for beside in (path.parent / METADATA, path.parent.parent / METADATA):
        if contents.kind == "frozen graph" and not files.is_archive and beside.is_file():
            with open_files(beside) as other:
                return read_metadata(other.read(METADATA), str(beside))
    return None, []


def _read_graph(files: ModelFiles, contents: Contents) -> tuple[Graph | None, list[str]]:
    """The newest frozen graph, or why it cannot be read."""
    name = max(contents.graphs, key=_numbers)
    try:
        return Graph.of(name, read_nodes(files.read(name, MAX_FILE))), []
    except ModelError as error:
        return None, [f"{name}: {error}"]


def _numbers(name: str) -> list[int]:
    """To sort names by the numbers in them."""
    return [int(number) for number in re.findall(r"\d{1,15}", name)]


def _kind(
    run: str | None,
    bundle: str | None,
    names: Iterable[str],
    graphs: tuple[str, ...],
    metadata: str | None,
    is_training: bool,
) -> Kind | None:
    marks = ("deepracer_checkpoints.json", ".coach_checkpoint", "training_params.yaml")
    found: list[tuple[Kind, bool]] = [
        ("run", run is not None),
        ("bundle", bundle is not None),
        ("model folder", any(n in marks or COACH.fullmatch(n) for n in names)),
        ("training files", is_training),
        ("car archive", bool(graphs) and metadata is not None),
        ("frozen graph", bool(graphs)),
        ("training files", metadata is not None),
    ]
    return next((kind for kind, is_it in found if is_it), None)


def _metadata(files: ModelFiles, run: str | None, bundle: str | None) -> str | None:
    """The ``model_metadata.json`` that counts, where there are several."""
    preferred = []
    if run is not None:
        preferred.append(str(PurePosixPath(run, "model", METADATA)))
    if bundle is not None:
        preferred.append(str(PurePosixPath(bundle, METADATA)))
    candidates = [*preferred, METADATA, *files.named(METADATA)]
    readable = set(files.named(METADATA))
    return next((name for name in candidates if name in readable), None)


def _folder_with(files: ModelFiles, *names: str) -> str | None:
    """The folder nearest to the top that holds all of ``names``."""
    for file in files.named(names[0]):
        folder = PurePosixPath(file).parent
        if all(str(folder / name) in files.sizes for name in names):
            return "" if folder == PurePosixPath() else str(folder)
    return None
