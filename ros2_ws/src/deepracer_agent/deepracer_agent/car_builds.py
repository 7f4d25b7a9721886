"""Which cars would drive with a model, and why not: the rules of the software they run.

Three kinds of software are on the road besides our own: the one the car came with, and the
community's, which runs the network with OpenVINO or with TensorFlow Lite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from deepracer_agent.archives import ModelFiles
from deepracer_agent.graph_nodes import Node
from deepracer_agent.stock_car import (
    ENDING,
    METADATA,
    SAFE_NAME,
    input_node,
    output_node,
    problems,
    safe_name,
)
from deepracer_car.model_metadata import ModelMetadata
from deepracer_car.observation import OBSERVATION_HEIGHT, OBSERVATION_WIDTH
from deepracer_car.policy import answer_count

OURS = "deepracer_car"
STOCK = "stock"
OPENVINO = "community, OpenVINO"
TFLITE = "community, TensorFlow Lite"
OTHERS = (STOCK, OPENVINO, TFLITE)
BUILDS = {
    OURS: "this project's own software, on any car",
    STOCK: "the software a car came with: Ubuntu 20.04, ROS 2 Foxy",
    OPENVINO: "the community's software on the original car, 20.04 or 24.04",
    TFLITE: "the community's software where it runs TensorFlow Lite, as on a Raspberry Pi",
}

_FLOAT = 1
_CONVERTED = {
    *("Add", "AddV2", "AvgPool", "BiasAdd", "ConcatV2", "Const", "Conv2D", "Identity", "MatMul"),
    *("MaxPool", "Mul", "Pack", "Placeholder", "RealDiv", "Relu", "Reshape", "ResizeBilinear"),
    *("Shape", "Slice", "Softmax", "Squeeze", "StridedSlice", "Sub", "Tanh", "Transpose"),
}
"""Operations that the converters on the cars were seen to take, or that Amazon's models hold."""
_VARIABLE = {"Variable", "VariableV2", "VarHandleOp", "ReadVariableOp", "TemporaryVariable"}
_FLOW = {
    *("Enter", "Exit", "If", "LoopCond", "Merge", "NextIteration", "StatelessIf"),
    *("StatelessWhile", "Switch", "While"),
}
_REACHING_OUT = {
    *("EagerPyFunc", "MatchingFiles", "MergeV2Checkpoints", "PyFunc", "PyFuncStateless"),
    *("ReadFile", "Restore", "RestoreV2", "Save", "SaveV2", "WriteFile"),
}


@dataclass(frozen=True)
class Verdict:
    """What a car would make of a model.

    Attributes:
        build: one of `BUILDS`.
        problems: why it would not drive with it; empty if it would.
        warnings: what is to be known if it does.
    """

    build: str
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether the car would drive with it."""
        return not self.problems


@dataclass(frozen=True)
class Graph:
    """What is to be known of a frozen graph.

    Attributes:
        name: of its file.
        inputs: shape of each placeholder by its name, -1 for any size; None where none is given.
        outputs: names of the nodes whose answer nothing takes.
        values: how many numbers the first output answers, where that can be told.
        ops: how often each operation is in it.
        weights: how many numbers it has learnt.
    """

    name: str
    inputs: dict[str, tuple[int, ...] | None]
    outputs: tuple[str, ...]
    values: int | None
    ops: dict[str, int]
    weights: int

    @classmethod
    def of(cls, name: str, nodes: Sequence[Node]) -> Graph:
        """Look through the nodes of the file ``name``."""
        by_name = {node.name: node for node in nodes}
        taken = {_source(text) for node in nodes for text in node.inputs}
        ends = [n for n in nodes if n.name not in taken and n.op not in ("Const", "NoOp")]
        return cls(
            name,
            {n.name: _shape(n) for n in nodes if n.op == "Placeholder"},
            tuple(node.name for node in ends),
            _width(ends[0], by_name) if ends else None,
            dict(sorted(Counter(node.op for node in nodes).items())),
            sum(_floats(node) for node in nodes if node.op == "Const"),
        )


def archive_problems(files: ModelFiles) -> list[str]:
    """Why no car would install the file; see `deepracer_agent.stock_car`."""
    name = files.path.name
    if not files.is_archive:
        return [f"it is no NAME{ENDING}, which is all that a car installs"]
    found = []
    if not name.endswith(ENDING) or not files.is_compressed:
        found.append(f"a car installs only NAME{ENDING}, packed by tar and gzip")
    stem = name.removesuffix(ENDING)
    if name.endswith(ENDING) and not SAFE_NAME.fullmatch(stem):
        found.append(
            f"under the name {stem} it would not find what it installed; rename the file to "
            f"{safe_name(stem)}{ENDING}"
        )
    if METADATA not in files.sizes:
        found.append(f"{METADATA} is not at the top of the archive")
    # The car compares endings so that no ending at all is a model's too.
    models = sorted(f for f in files.sizes if PurePosixPath(f).suffix in ("", ".pb"))
    if not any(model.endswith(".pb") for model in models):
        found.append("there is no .pb in it")
    elif len(models) > 1:
        found.append(
            f"it takes {', '.join(models[:4])} for {len(models)} models and passes over the whole "
            "archive; files without an ending count too"
        )
    return found


def graph_verdict(build: str, graph: Graph, metadata: ModelMetadata) -> Verdict:
    """Whether ``build`` would drive with a frozen graph as its metadata describes it."""
    found = [*problems(metadata), *_input_problems(graph, metadata), *_op_problems(graph)]
    warnings = []
    car_output = output_node(metadata, "community-car")
    if len(graph.outputs) != 1:
        found.append(
            f"the graph has {len(graph.outputs)} outputs ({', '.join(graph.outputs[:4])}); a car "
            "reads the first by the alphabet, whatever it is"
        )
    elif build == TFLITE and graph.outputs[0] != car_output:
        found.append(
            f"the converter looks for the output {car_output}, and the graph's is "
            f"{graph.outputs[0]}; export it again with --to community-car"
        )
    elif graph.outputs[0] not in (car_output, output_node(metadata)):
        warnings.append(f"its output is called {graph.outputs[0]}, not {output_node(metadata)}")
    wanted = answer_count(metadata.action_space)
    if graph.values is not None and graph.values != wanted:
        found.append(f"the graph answers {graph.values} values and the metadata need {wanted}")
    if metadata.training_algorithm == "sac" and "Tanh" not in graph.ops:
        warnings.append(
            "the network of a SAC answers before its tanh, and the car only cuts that off at -1 "
            "and 1: it steers harder than in training"
        )
    if build == OPENVINO and len(metadata.sensor) > 1:
        warnings.append("its converter may mix up the inputs of several sensors")
    return Verdict(build, tuple(found), tuple(warnings + _op_warnings(graph)))


def _input_problems(graph: Graph, metadata: ModelMetadata) -> list[str]:
    size = (OBSERVATION_HEIGHT, OBSERVATION_WIDTH, metadata.camera_channels)
    wanted: dict[str, tuple[int, ...]] = {input_node(metadata, metadata.camera): size}
    if metadata.lidar:
        wanted[input_node(metadata, metadata.lidar)] = (metadata.lidar_values,)
    found = [
        f"the graph has no input {name}, which the car feeds; its inputs are "
        f"{', '.join(graph.inputs) or 'none'}"
        for name in wanted
        if name not in graph.inputs
    ]
    found += [
        f"the car has nothing to feed the graph's input {name} with"
        for name in graph.inputs
        if name not in wanted
    ]
    for name, shape in graph.inputs.items():
        # The car states shapes when it converts; only others that are fixed contradict it.
        given = shape[1:] if shape else ()
        fits = len(given) == len(wanted.get(name, given)) and all(
            a in (-1, b) for a, b in zip(given, wanted.get(name, given), strict=True)
        )
        if shape and not fits:
            found.append(f"the graph's input {name} is {list(given)}, not {list(wanted[name])}")
    return found


def _op_problems(graph: Graph) -> list[str]:
    held = set(graph.ops)
    found = []
    if variables := held & _VARIABLE:
        found.append(f"the graph is not frozen: it has {', '.join(sorted(variables))}")
    if flow := held & _FLOW:
        found.append(f"the graph has control flow: {', '.join(sorted(flow))}")
    if reaching := held & _REACHING_OUT:
        found.append(
            f"the graph can reach files or programs ({', '.join(sorted(reaching))}), which no "
            "policy needs: do not put it on a car"
        )
    return found


def _op_warnings(graph: Graph) -> list[str]:
    rare = set(graph.ops) - _CONVERTED - _VARIABLE - _FLOW - _REACHING_OUT
    if not rare:
        return []
    return [f"not known whether the car's converter takes {', '.join(sorted(rare))}"]


def _source(text: str) -> str:
    """The node an input is from: without the number of the output, or the mark of an order."""
    return text.removeprefix("^").partition(":")[0]


def _shape(node: Node) -> tuple[int, ...] | None:
    shape: Any = node.attributes.get("shape")
    return shape if isinstance(shape, tuple) else None


def _floats(node: Node) -> int:
    value = node.attributes.get("value")
    if not isinstance(value, np.ndarray) or node.attributes.get("dtype") != _FLOAT:
        return 0
    return int(value.size)


def _width(node: Node, by_name: dict[str, Node]) -> int | None:
    """How many numbers ``node`` answers: those of the last weights before it."""
    for _ in range(50):
        for text in node.inputs:
            constant = by_name.get(_source(text))
            while constant is not None and constant.op == "Identity" and constant.inputs:
                constant = by_name.get(_source(constant.inputs[0]))
                if constant is node:
                    return None
            value = constant.attributes.get("value") if constant else None
            if isinstance(value, np.ndarray) and node.op in ("BiasAdd", "MatMul", "Add", "AddV2"):
                return int(value.shape[-1]) if value.ndim else None
        following = by_name.get(_source(node.inputs[0])) if node.inputs else None
        if following is None:
            return None
        node = following
    return None
