"""A frozen graph is read as it was written; anything else is refused, whatever it is."""

from __future__ import annotations

import contextlib
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_agent.frozen_graph import DataType, GraphWriter
from deepracer_agent.graph_nodes import read_nodes
from deepracer_agent.graph_numpy import run_graph
from deepracer_car.errors import ModelError


def small_graph() -> bytes:
    graph = GraphWriter("scope")
    x = graph.placeholder("in/camera", (-1, 6, 8, 1))
    weight = graph.constant(np.arange(8, dtype=np.float32).reshape(2, 2, 1, 2))
    window = {"strides": [1, 2, 2, 1], "padding": "VALID", "data_format": "NHWC"}
    x = graph.add("Conv2D", [x, weight], **window)  # type: ignore[arg-type]
    x = graph.add("Reshape", [x, graph.integers(-1, 24)], Tshape=DataType.INT32)
    graph.add("Softmax", [x], name="out", use=True, count=-3)
    return graph.serialize()


def test_what_is_written_is_read() -> None:
    camera, weight, convolution, numbers, _, last = read_nodes(small_graph())
    assert (camera.name, camera.op, camera.inputs) == ("in/camera", "Placeholder", ())
    assert camera.attributes == {"dtype": 1, "shape": (-1, 6, 8, 1)}
    assert weight.attributes["value"].tolist() == np.arange(8).reshape(2, 2, 1, 2).tolist()
    assert convolution.inputs == ("in/camera", weight.name)
    assert convolution.attributes["strides"] == [1, 2, 2, 1]
    assert convolution.attributes["padding"] == "VALID"
    assert numbers.attributes["value"].dtype == np.int32
    assert numbers.attributes["value"].tolist() == [-1, 24]
    assert last.attributes == {"T": 1, "use": True, "count": -3}


def test_numbers_that_tensorflow_writes_one_by_one_are_read() -> None:
    def message(field: int, content: bytes) -> bytes:
        return bytes([field << 3 | 2, len(content)]) + content

    def constant(tensor: bytes) -> np.ndarray:
        value = message(5, message(1, b"value") + message(2, message(8, tensor)))
        (node,) = read_nodes(message(1, message(1, b"a") + message(2, b"Const") + value))
        return node.attributes["value"]

    size = message(2, message(2, bytes([1 << 3, 3])))
    floats = bytes([1 << 3, 1]) + size + message(5, np.array([1, 2, 3], "<f4").tobytes())
    assert constant(floats).tolist() == [1.0, 2.0, 3.0]
    # One number stands for all.
    alike = bytes([1 << 3, 3]) + size + bytes([7 << 3, 9])
    assert constant(alike).tolist() == [9, 9, 9]
    huge = message(2, message(2, bytes([1 << 3]) + b"\xff\xff\xff\xff\x0f"))
    assert constant(bytes([1 << 3, 1]) + huge).shape == (2**32 - 1,), "and takes no memory"


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\x00" * 50, b"\x0a\x05abc"])
def test_what_is_no_graph_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="not a frozen TensorFlow graph"):
        read_nodes(content)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(ModelError):
        assert read_nodes(content)


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_a_damaged_graph_is_read_or_refused(seed: int, bytes_hit: int) -> None:
    rng = random.Random(seed)
    content = bytearray(small_graph())
    for _ in range(bytes_hit):
        content[rng.randrange(len(content))] = rng.randrange(256)
    for end in (rng.randrange(len(content) + 1), len(content)):
        with contextlib.suppress(ModelError):
            assert read_nodes(bytes(content[:end]))


def test_numpy_calculates_the_graph() -> None:
    picture = np.random.default_rng(0).random((2, 6, 8, 1), dtype=np.float32) * 0.05
    name, answer = run_graph(read_nodes(small_graph()), {"in/camera": picture})
    weight = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    sums = [
        [
            (picture[n, r : r + 2, c : c + 2, 0, None] * weight).sum((0, 1))
            for r in (0, 2, 4)
            for c in (0, 2, 4, 6)
        ]
        for n in (0, 1)
    ]
    powers = np.exp(np.reshape(sums, (2, 24)))
    assert name == "out"
    np.testing.assert_allclose(answer, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda g: g.add("Relu", ["nobody"]), "takes nobody, which does not come before it"),
        (lambda g: g.add("Relu", ["in"], name="in"), "two nodes named in"),
        (lambda g: g.add("Tanh", ["in"], name="other"), r"outputs \['out', 'other'\]"),
        (lambda g: g.add("Elu", ["out"]), "is a Elu, which is not among"),
        (lambda g: g.placeholder("second", (1,)), r"inputs \['in', 'second'\]"),
        (
            lambda g: g.add("ConcatV2", ["out", "in", g.integers(1)], Tidx=DataType.INT32),
            "axis of a ConcatV2 must have no dimension",
        ),
    ],
)
def test_a_graph_that_a_car_cannot_convert_is_refused(break_it, message: str) -> None:
    graph = GraphWriter("scope")
    graph.placeholder("in", (-1, 3))
    graph.add("Relu", ["in"], name="out")
    break_it(graph)
    with pytest.raises(ModelError, match=message):
        run_graph(read_nodes(graph.serialize()), {"in": np.ones((1, 3), dtype=np.float32)})
    with pytest.raises(ModelError, match="takes float32"):
        run_graph(read_nodes(graph.serialize()), {"in": np.ones((1, 4), dtype=np.float32)})
