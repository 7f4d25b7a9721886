"""A real network that goes wrong on a real picture; a model this car has no sensors for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from deepracer_car.action_space import Action, DiscreteActionSpace
from deepracer_car.decision import Frame, Model, decide
from deepracer_car.errors import ModelError
from deepracer_car.model_bundle import FORMAT, METADATA, POLICY, PROVENANCE, checksum
from deepracer_car.model_metadata import ModelMetadata
from deepracer_car.observation import OBSERVATION_SHAPE
from deepracer_car.policy import INPUT, OUTPUT
from deepracer_car.safety import Event

SPACE = DiscreteActionSpace((Action(-0.5, 1.0), Action(0.5, 2.0)))


def network(channels: int, weights: tuple[float, float]) -> onnx.ModelProto:
    """Answers with the brightest pixel times ``weights``."""
    nodes = [
        helper.make_node("Cast", [INPUT], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["pixels"], ["column"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["column", "weights"], [OUTPUT]),
    ]
    shape = ["batch", channels, *OBSERVATION_SHAPE[1:]]
    table = np.tile(np.array(weights, dtype=np.float32), (channels, 1))
    graph = helper.make_graph(
        nodes,
        "brightest",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", 2])],
        initializer=[numpy_helper.from_array(table, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


def write(
    folder: Path, weights: tuple[float, float] = (1.0, 2.0), sensor: str = "FRONT_FACING_CAMERA"
) -> Path:
    channels = 2 if sensor == "STEREO_CAMERAS" else 1
    (folder / POLICY).write_bytes(network(channels, weights).SerializeToString())
    ModelMetadata(SPACE, (sensor,)).save(folder / METADATA)
    sums = {name: checksum(folder / name) for name in (POLICY, METADATA)}
    (folder / PROVENANCE).write_text(json.dumps({"format": FORMAT, "model": "m", "sha256": sums}))
    return folder


def picture(brightness: int) -> Frame:
    pixels = np.full(OBSERVATION_SHAPE, brightness, dtype=np.uint8)
    return Frame(pixels, 0.0, 0)


def test_a_bundle_decides(tmp_path: Path) -> None:
    model = Model.open(write(tmp_path))
    answer = decide(picture(9), model, lambda pixels: pixels)
    assert answer.event is Event.DECISION
    assert (answer.steering_angle, answer.speed) == pytest.approx((0.5, 2.0))
    assert (model.name, model.full_scale) == ("m", pytest.approx((0.5, 2.0)))


def test_a_network_that_overflows_on_a_bright_picture_is_caught(tmp_path: Path) -> None:
    model = Model.open(write(tmp_path, weights=(3e38, 1.0)))
    assert decide(picture(1), model, lambda pixels: pixels).event is Event.DECISION
    answer = decide(picture(2), model, lambda pixels: pixels)
    assert answer.event is Event.NOT_A_NUMBER
    assert "not numbers" in answer.detail
    assert np.isnan([answer.steering_angle, answer.speed]).all()


def test_a_model_for_other_sensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="looks through STEREO_CAMERAS, and this car drives by"):
        Model.open(write(tmp_path, sensor="STEREO_CAMERAS"))
