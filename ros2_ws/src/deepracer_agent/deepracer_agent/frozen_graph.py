"""A trained network as the frozen TensorFlow 1 graph that an unmodified car takes.

A ``model.pb`` is a ``GraphDef`` in protobuf's wire format: simple enough to be written without
TensorFlow. Only operations are used that the car's converter was seen to read. Pictures come
channels last, 0 to 255; every number of the network is a constant; there is one output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from deepracer_agent.policy_network import Crop, Dense, Layer, PolicyNetwork, Pool, Step
from deepracer_car.observation import OBSERVATION_HEIGHT, OBSERVATION_WIDTH

PRODUCER = 440
"""The version of the graph format, that of TensorFlow 1.15 to 2.4."""

_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh"}
_ANY = -1
"""A dimension of any size: the batch."""


Attribute = bool | int | str | list[int] | tuple[int, ...] | npt.NDArray[Any]
"""Of a node: a type, switch, number, text, list, shape or tensor."""


class DataType(IntEnum):
    """Of the numbers in a tensor, as TensorFlow counts them."""

    FLOAT = 1
    INT32 = 3


def to_frozen_graph(
    network: PolicyNetwork, inputs: Sequence[str], output: str, *, discrete: bool
) -> bytes:
    """Return the content of ``model.pb``.

    Args:
        network: what decides.
        inputs: name of the camera's placeholder, and of the lidar's where there is one.
        output: name of the answer.
        discrete: answer with probabilities; otherwise with the values as they are.
    """
    graph = GraphWriter(output.rpartition("/")[0])
    x = graph.placeholder(
        inputs[0], (_ANY, OBSERVATION_HEIGHT, OBSERVATION_WIDTH, network.channels)
    )
    for step in network.steps:
        x = _add_step(graph, x, step)
    if network.divisor != 1.0:
        x = graph.add("RealDiv", [x, graph.constant(np.array(network.divisor, np.float32))])
    x = _add_layers(graph, x, network.convolutions)
    x = graph.add("Reshape", [x, graph.integers(_ANY, network.flat)], Tshape=DataType.INT32)
    if network.lidar_values:
        beams = graph.placeholder(inputs[1], (_ANY, network.lidar_values))
        beams = _add_layers(graph, beams, network.lidar)
        # The axis must have no dimension at all: TensorFlow insists.
        axis = graph.constant(np.array(1, np.int32))
        x = graph.add("ConcatV2", [x, beams, axis], N=2, Tidx=DataType.INT32)
    x = _add_layers(graph, x, network.dense)
    graph.add("Softmax" if discrete else "Identity", [x], name=output)
    return graph.serialize()


def _add_step(graph: GraphWriter, x: str, step: Step) -> str:
    if isinstance(step, Crop):
        begin = graph.integers(0, step.top, step.left, 0)
        size = graph.integers(_ANY, step.rows, step.columns, _ANY)
        return graph.add("Slice", [x, begin, size], Index=DataType.INT32)
    if isinstance(step, Pool):
        window = [1, step.size, step.size, 1]
        return graph.add(
            "AvgPool", [x], ksize=window, strides=window, padding="VALID", data_format="NHWC"
        )
    size = graph.integers(step.rows, step.columns)
    return graph.add("ResizeBilinear", [x, size], align_corners=False, half_pixel_centers=True)


def _add_layers(graph: GraphWriter, x: str, layers: Sequence[Layer]) -> str:
    for layer in layers:
        if isinstance(layer, str):
            x = graph.add(_ACTIVATIONS[layer], [x])
            continue
        if isinstance(layer, Dense):
            weight = graph.constant(layer.weight.T)
            x = graph.add("MatMul", [x, weight], transpose_a=False, transpose_b=False)
        else:
            x = graph.add(
                "Conv2D",
                [x, graph.constant(layer.weight.transpose(2, 3, 1, 0))],
                strides=[1, layer.stride, layer.stride, 1],
                dilations=[1, 1, 1, 1],
                padding="VALID",
                data_format="NHWC",
                use_cudnn_on_gpu=True,
            )
        x = graph.add("BiasAdd", [x, graph.constant(layer.bias)], data_format="NHWC")
    return x


class GraphWriter:
    """A ``GraphDef`` in the making; names of nodes are given by number below ``scope``."""

    def __init__(self, scope: str) -> None:
        self._scope = scope
        self._nodes: list[bytes] = []

    def placeholder(self, name: str, shape: tuple[int, ...]) -> str:
        """Add an input of floats; return its name."""
        return self._append("Placeholder", [], name, {"dtype": DataType.FLOAT, "shape": shape})

    def constant(self, values: npt.NDArray[Any]) -> str:
        """Add ``values``, float32 or int32; return their name."""
        return self._append("Const", [], "", {"dtype": _type_of(values), "value": values})

    def integers(self, *values: int) -> str:
        """Add a row of int32; return its name."""
        return self.constant(np.array(values, dtype=np.int32))

    def add(self, op: str, inputs: list[str], *, name: str = "", **attributes: Attribute) -> str:
        """Add a node that calculates with floats; return its name."""
        return self._append(op, inputs, name, {"T": DataType.FLOAT, **attributes})

    def _append(
        self, op: str, inputs: list[str], name: str, attributes: Mapping[str, Attribute]
    ) -> str:
        name = name or f"{self._scope}/{op}_{len(self._nodes)}"
        node = _text(1, name) + _text(2, op) + b"".join(_text(3, source) for source in inputs)
        for key, value in sorted(attributes.items()):
            node += _bytes(5, _text(1, key) + _bytes(2, _attribute(value)))
        self._nodes.append(_bytes(1, node))
        return name

    def serialize(self) -> bytes:
        """Return the content of the file."""
        return b"".join(self._nodes) + _bytes(4, _number(1, PRODUCER))


def _attribute(value: Attribute) -> bytes:
    """An ``AttrValue``; the kind follows from the Python type."""
    if isinstance(value, DataType):
        return _number(6, value)
    if isinstance(value, bool):
        return _number(5, int(value))
    if isinstance(value, int):
        return _number(3, value)
    if isinstance(value, str):
        return _text(2, value)
    if isinstance(value, list):
        return _bytes(1, _bytes(3, b"".join(map(_varint, value))))
    if isinstance(value, tuple):
        return _bytes(7, _shape(value))
    content = value.astype(value.dtype.newbyteorder("<")).tobytes()
    tensor = _number(1, _type_of(value)) + _bytes(2, _shape(value.shape)) + _bytes(4, content)
    return _bytes(8, tensor)


def _type_of(array: npt.NDArray[Any]) -> DataType:
    return {"float32": DataType.FLOAT, "int32": DataType.INT32}[array.dtype.name]


def _shape(sizes: Sequence[int]) -> bytes:
    return b"".join(_bytes(2, _number(1, size)) for size in sizes)


def _varint(value: int) -> bytes:
    value &= 2**64 - 1  # negative numbers are written as if they had no sign
    content = bytearray()
    while value > 127:
        content.append(value & 127 | 128)
        value >>= 7
    content.append(value)
    return bytes(content)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())
