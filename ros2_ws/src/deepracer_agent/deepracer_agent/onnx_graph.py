"""The policy half of a trained network as an ONNX graph: raw pixels in, one value per action out.

What torch arranges for speed (blocks of pixels as channels, bfloat16) is left out: the graph is the
plain network in float32, with the scaling to 0 to 1 inside.
"""

from __future__ import annotations

from typing import Any

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from deepracer_agent.networks import RacingCnn, RacingPolicy
from deepracer_car.action_space import ActionSpace
from deepracer_car.errors import ConfigError
from deepracer_car.observation import OBSERVATION_SHAPE
from deepracer_car.policy import INPUT, OUTPUT, answer_count

OPSET = 13
IR_VERSION = 7
"""Both are read by every ONNX Runtime since 1.7, so that an old car's will do."""


def to_onnx(policy: RacingPolicy, action_space: ActionSpace) -> Any:
    """Return ``policy``, which answers in ``action_space``, as an ONNX model for any batch size.

    Raises:
        ConfigError: the network is none of this product's.
    """
    extractor = getattr(policy, "pi_features_extractor", None)
    if not isinstance(extractor, RacingCnn) or len(policy.mlp_extractor.policy_net):
        raise ConfigError(
            f"A network of {type(extractor).__name__} features cannot be exported; those of the "
            "presets 'fast' and 'deepracer' can."
        )
    graph = _Graph()
    x = graph.add("Cast", [INPUT], to=TensorProto.FLOAT)
    if extractor.pool:
        x = graph.add("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
    scale = 1.0 / 255.0
    for layer in extractor.convolutions:
        if isinstance(layer, nn.Conv2d):
            weights = [graph.constant(layer.weight * scale), graph.constant(layer.bias)]
            x = graph.add("Conv", [x, *weights], strides=list(layer.stride))
            scale = 1.0
        else:
            x = graph.add("Relu", [x])
    # Channels last, the order in which torch flattens them.
    x = graph.add("Flatten", [graph.add("Transpose", [x], perm=[0, 2, 3, 1])])
    for layer in (*extractor.dense, policy.action_net):
        if isinstance(layer, nn.Linear):
            weights = [graph.constant(layer.weight), graph.constant(layer.bias)]
            x = graph.add("Gemm", [x, *weights], transB=1)
        else:
            x = graph.add("Relu", [x])
    return graph.finish(x, answer_count(action_space))


class _Graph:
    """An ONNX graph in the making."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: torch.Tensor | None) -> str:
        """Add ``values`` and return their name."""
        assert values is not None
        name = f"weights_{len(self._constants)}"
        array = values.detach().cpu().float().contiguous().numpy()
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def finish(self, last: str, values: int) -> Any:
        """Return the checked model whose output is ``last``, of ``values`` numbers."""
        self._nodes.append(helper.make_node("Identity", [last], [OUTPUT], name=OUTPUT))
        pixels = helper.make_tensor_value_info(
            INPUT, TensorProto.UINT8, ["batch", *OBSERVATION_SHAPE]
        )
        answer = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", values])
        graph = helper.make_graph(
            self._nodes, "policy", [pixels], [answer], initializer=self._constants
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="deepracer-lab",
        )
        onnx.checker.check_model(model, full_check=True)
        return model
