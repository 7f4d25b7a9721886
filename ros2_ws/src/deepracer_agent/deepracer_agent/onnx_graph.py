"""A trained network as an ONNX graph: raw pixels in, one value per action out.

The graph is the plain network in float32, with the scaling to 0 to 1 inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from deepracer_agent.policy_network import (
    Crop,
    Dense,
    Layer,
    PolicyNetwork,
    Pool,
    Step,
)
from deepracer_car.observation import OBSERVATION_HEIGHT, OBSERVATION_WIDTH
from deepracer_car.policy import INPUT, LIDAR_INPUT, OUTPUT

OPSET = 13
IR_VERSION = 7
"""Both are read by every ONNX Runtime since 1.7, so that an old car's will do."""

_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh"}


def to_onnx(network: PolicyNetwork) -> Any:
    """Return ``network`` as an ONNX model for any batch size."""
    graph = _Graph()
    x = graph.add("Cast", [INPUT], to=TensorProto.FLOAT)
    for step in network.steps:
        x = _add_step(graph, x, step, network.channels)
    x = graph.add_layers(x, network.convolutions, 1.0 / network.divisor)
    # Channels last, the order in which the dense layer learnt them.
    x = graph.add("Flatten", [graph.add("Transpose", [x], perm=[0, 2, 3, 1])])
    if network.lidar_values:
        x = graph.add("Concat", [x, graph.add_layers(LIDAR_INPUT, network.lidar)], axis=1)
    return graph.finish(graph.add_layers(x, network.dense), network)


def _add_step(graph: _Graph, x: str, step: Step, channels: int) -> str:
    if isinstance(step, Crop):
        start = (step.top, step.left)
        end = (step.top + step.rows, step.left + step.columns)
        bounds = [graph.constant(np.array(values)) for values in (start, end, (2, 3))]
        return graph.add("Slice", [x, *bounds])
    if isinstance(step, Pool):
        size = [step.size, step.size]
        return graph.add("AveragePool", [x], kernel_shape=size, strides=size)
    batch = [graph.constant(np.array(values)) for values in ([0], [1], [0])]
    shape = [
        graph.add("Slice", [graph.add("Shape", [x]), *batch]),
        graph.constant(np.array([channels, step.rows, step.columns])),
    ]
    nothing = graph.constant(np.zeros(0, dtype=np.float32))
    inputs = [x, nothing, nothing, graph.add("Concat", shape, axis=0)]
    return graph.add("Resize", inputs, mode="linear", coordinate_transformation_mode="half_pixel")


class _Graph:
    """An ONNX graph in the making."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: npt.NDArray[Any]) -> str:
        """Add ``values`` and return their name."""
        name = f"weights_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(values, name))
        return name

    def add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def add_layers(self, x: str, layers: Sequence[Layer], scale: float = 1.0) -> str:
        """Add ``layers``, the first with weights times ``scale``; return the last one's output."""
        for layer in layers:
            if isinstance(layer, str):
                x = self.add(_ACTIVATIONS[layer], [x])
                continue
            weight = layer.weight if scale == 1.0 else layer.weight * np.float32(scale)
            inputs = [x, self.constant(weight), self.constant(layer.bias)]
            scale = 1.0
            if isinstance(layer, Dense):
                x = self.add("Gemm", inputs, transB=1)
            else:
                x = self.add("Conv", inputs, strides=[layer.stride, layer.stride])
        return x

    def finish(self, last: str, network: PolicyNetwork) -> Any:
        """Return the checked model whose output is ``last``."""
        self._nodes.append(helper.make_node("Identity", [last], [OUTPUT], name=OUTPUT))
        picture = ["batch", network.channels, OBSERVATION_HEIGHT, OBSERVATION_WIDTH]
        inputs = [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, picture)]
        if network.lidar_values:
            values = ["batch", network.lidar_values]
            inputs.append(helper.make_tensor_value_info(LIDAR_INPUT, TensorProto.FLOAT, values))
        answer = helper.make_tensor_value_info(
            OUTPUT, TensorProto.FLOAT, ["batch", network.answers]
        )
        graph = helper.make_graph(
            self._nodes, "policy", inputs, [answer], initializer=self._constants
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="deepracer-lab",
        )
        onnx.checker.check_model(model, full_check=True)
        return model
