"""A frozen graph run by numpy, as strictly as TensorFlow would take it.

Slow and simple: the second opinion on what `deepracer_agent.frozen_graph` writes, since OpenVINO
overlooks what the converter on a car does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from deepracer_agent.graph_nodes import Node
from deepracer_car.errors import ModelError

Array = npt.NDArray[Any]


def run_graph(nodes: Sequence[Node], inputs: Mapping[str, Array]) -> tuple[str, Array]:
    """Return the name of the output and what it answers.

    Args:
        nodes: each after those it takes.
        inputs: one array of floats for each placeholder.

    Raises:
        ModelError: the graph is wired wrongly, is given other inputs than it has, or has not
            exactly one output.
    """
    values: dict[str, Array] = {}
    taken: set[str] = set()
    for node in nodes:
        if node.name in values:
            raise ModelError(f"The graph has two nodes named {node.name}.")
        if missing := [name for name in node.inputs if name not in values]:
            raise ModelError(f"{node.name} takes {missing[0]}, which does not come before it.")
        taken.update(node.inputs)
        values[node.name] = _run(node, [values[name] for name in node.inputs], inputs)
    ends = [node.name for node in nodes if node.name not in taken]
    placeholders = {node.name for node in nodes if node.op == "Placeholder"}
    if len(ends) != 1 or placeholders != set(inputs):
        raise ModelError(
            f"The graph has the outputs {ends} and the inputs {sorted(placeholders)}; exactly one "
            f"output and the inputs {sorted(inputs)} are wanted."
        )
    return ends[0], values[ends[0]]


def _run(node: Node, given: list[Array], inputs: Mapping[str, Array]) -> Array:
    attributes = node.attributes
    if node.op == "Placeholder":
        return _placeholder(node, inputs)
    if node.op == "Const":
        if not isinstance(attributes.get("value"), np.ndarray):
            raise ModelError(f"{node.name} holds no numbers.")
        return np.asarray(attributes["value"])
    if given and (given[0].dtype != np.float32 or attributes.get("T") != 1):
        raise ModelError(f"{node.name} calculates with something else than float32.")
    if node.op in _ARITHMETIC:
        return np.asarray(_ARITHMETIC[node.op](*given))
    if node.op in _PICTURES:
        return np.asarray(_PICTURES[node.op](given, attributes))
    raise ModelError(f"{node.name} is a {node.op}, which is not among the operations known here.")


def _placeholder(node: Node, inputs: Mapping[str, Array]) -> Array:
    value, shape = inputs.get(node.name), node.attributes["shape"]
    if value is None:
        return np.zeros([max(size, 1) for size in shape], dtype=np.float32)
    if value.dtype != np.float32 or value.ndim != len(shape) or value.shape[1:] != shape[1:]:
        raise ModelError(f"{node.name} takes float32 {shape}, {value.dtype} {value.shape} given.")
    return value


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _concatenate(first: Array, second: Array, axis: Array) -> Array:
    if axis.ndim:
        raise ModelError("The axis of a ConcatV2 must have no dimension.")
    return np.concatenate([first, second], axis=int(axis))


def _slice(x: Array, begin: Array, size: Array) -> Array:
    ends = np.where(size < 0, x.shape, begin + size)
    return x[tuple(slice(b, e) for b, e in zip(begin, ends, strict=True))]


_ARITHMETIC: dict[str, Any] = {
    "BiasAdd": lambda x, bias: x + bias,
    "ConcatV2": _concatenate,
    "Identity": lambda x: x,
    "MatMul": lambda x, weight: x @ weight,
    "RealDiv": lambda x, divisor: x / divisor,
    "Relu": lambda x: np.maximum(x, 0.0),
    "Reshape": lambda x, shape: x.reshape(shape),
    "Slice": _slice,
    "Softmax": _softmax,
    "Tanh": np.tanh,
}


def _windows(x: Array, size: tuple[int, int], attributes: Mapping[str, Any]) -> Array:
    """All windows of a picture (batch, rows, columns, channels, window rows, window columns)."""
    if attributes.get("padding") != "VALID" or attributes.get("data_format") != "NHWC":
        raise ModelError("Windows over pictures must be without padding, channels last.")
    _, down, across, _ = attributes["strides"]
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(1, 2))
    return windows[:, ::down, ::across]


def _convolve(given: list[Array], attributes: Mapping[str, Any]) -> Array:
    x, weight = given
    windows = _windows(x, weight.shape[:2], attributes)
    return np.tensordot(windows, weight.transpose(2, 0, 1, 3), axes=3)


def _average(given: list[Array], attributes: Mapping[str, Any]) -> Array:
    _, rows, columns, _ = attributes["ksize"]
    return np.asarray(_windows(given[0], (rows, columns), attributes).mean(axis=(-2, -1)))


def _resize(given: list[Array], attributes: Mapping[str, Any]) -> Array:
    """Bilinear, between pixel centres."""
    if not attributes.get("half_pixel_centers") or attributes.get("align_corners"):
        raise ModelError("A ResizeBilinear must be between pixel centres.")
    x, size = given
    for axis, count in ((1, int(size[0])), (2, int(size[1]))):
        length = x.shape[axis]
        place = np.clip((np.arange(count) + 0.5) * length / count - 0.5, 0.0, length - 1.0)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, length - 1)
        share = (place - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(4)])
        x = x.take(low, axis) * (1.0 - share) + x.take(high, axis) * share
    return x


_PICTURES = {"AvgPool": _average, "Conv2D": _convolve, "ResizeBilinear": _resize}
