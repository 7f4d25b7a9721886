"""A bundle is driven as it was exported, or refused with the reason."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from deepracer_car.action_space import Action, ContinuousActionSpace, DiscreteActionSpace
from deepracer_car.errors import ModelError
from deepracer_car.model_bundle import FORMAT, METADATA, POLICY, PROVENANCE, ModelBundle, checksum
from deepracer_car.model_metadata import ModelMetadata
from deepracer_car.observation import OBSERVATION_SHAPE
from deepracer_car.policy import INPUT, LIDAR_INPUT, OUTPUT, RUNTIMES, OnnxPolicy

DISCRETE = DiscreteActionSpace(tuple(Action(angle, 1.0) for angle in (-0.5, 0.0, 0.5)))
CONTINUOUS = ContinuousActionSpace(-0.5, 0.5, 0.5, 2.0)
PIXELS = int(np.prod(OBSERVATION_SHAPE))


def linear_network(weights: np.ndarray) -> onnx.ModelProto:
    """A network without hidden layers: pixels times ``weights`` (pixels, values)."""
    nodes = [
        helper.make_node("Cast", [INPUT], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], [OUTPUT]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["batch", *OBSERVATION_SHAPE])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", weights.shape[1]])],
        initializer=[numpy_helper.from_array(weights.astype(np.float32), "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


def seal(folder: Path, **provenance: object) -> None:
    sums = {name: checksum(folder / name) for name in (POLICY, METADATA)}
    content = {"format": FORMAT, "model": "test", "sha256": sums, **provenance}
    (folder / PROVENANCE).write_text(json.dumps(content))


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Path]:
    """Write a bundle; returns its folder."""

    def write(space: object, weights: np.ndarray) -> Path:
        folder = tmp_path / "bundle"
        folder.mkdir()
        (folder / POLICY).write_bytes(linear_network(weights).SerializeToString())
        ModelMetadata(space).save(folder / METADATA)  # type: ignore[arg-type]
        seal(folder)
        return folder

    return write


def brightest(values: int) -> np.ndarray:
    """Weights that make value k the brightness of pixel k."""
    return np.eye(PIXELS, values)


def pictures(*brightness: tuple[int, ...]) -> np.ndarray:
    """Black but for the first pixels."""
    black = np.zeros((len(brightness), *OBSERVATION_SHAPE), dtype=np.uint8)
    for picture, values in zip(black, brightness, strict=True):
        picture[0, 0, : len(values)] = values
    return black


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_of_discrete_actions_the_preferred_one_is_chosen(bundle, runtime: str) -> None:
    pytest.importorskip(runtime)
    opened = ModelBundle.open(bundle(DISCRETE, brightest(3)))
    policy = OnnxPolicy(opened, runtime)
    assert policy.runtime == runtime
    chosen = policy.predict(pictures((9, 3, 2), (1, 2, 200), (4, 5, 0)))
    assert chosen.tolist() == [0, 2, 1]
    angles = opened.metadata.action_space.decode(chosen)[:, 0]
    np.testing.assert_allclose(angles, [-0.5, 0.5, 0.0], atol=1e-9)
    assert opened.name == "test"


def test_continuous_answers_are_clipped_when_decoded(bundle) -> None:
    opened = ModelBundle.open(bundle(CONTINUOUS, brightest(2) / 100.0))
    policy = OnnxPolicy(opened)
    answers = policy.predict(pictures((50, 0), (0, 250)))
    np.testing.assert_allclose(answers, [[0.5, 0.0], [0.0, 2.5]], rtol=1e-6)
    commands = opened.metadata.action_space.decode(answers)
    np.testing.assert_allclose(commands, [[0.25, 1.25], [0.0, 2.0]], rtol=1e-6)


def test_a_network_of_another_action_space_is_refused(bundle) -> None:
    folder = bundle(DISCRETE, brightest(4))
    with pytest.raises(ModelError, match=r"gives policy \(1, 4\).*needs \(1, 3\)"):
        OnnxPolicy(ModelBundle.open(folder))


def test_a_network_that_diverged_is_refused(bundle) -> None:
    folder = bundle(DISCRETE, np.full((PIXELS, 3), np.nan))
    with pytest.raises(ModelError, match="not numbers"):
        OnnxPolicy(ModelBundle.open(folder))


def test_a_network_with_another_input_is_refused(bundle) -> None:
    folder = bundle(DISCRETE, brightest(3))
    model = linear_network(brightest(3))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    (folder / POLICY).write_bytes(model.SerializeToString())
    seal(folder)
    with pytest.raises(ModelError, match=r"does not take observation \(1, 1, 120, 160\) uint8"):
        OnnxPolicy(ModelBundle.open(folder))


def test_what_is_no_network_is_refused(bundle) -> None:
    folder = bundle(DISCRETE, brightest(3))
    (folder / POLICY).write_bytes(b"no network")
    seal(folder)
    with pytest.raises(ModelError, match=r"policy\.onnx cannot be run by onnxruntime"):
        OnnxPolicy(ModelBundle.open(folder))


def test_without_onnx_runtime_openvino_drives(bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    opened = ModelBundle.open(bundle(DISCRETE, brightest(3)))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    policy = OnnxPolicy(opened)
    assert policy.runtime == "openvino"
    assert policy.predict(pictures((1, 2, 200))).tolist() == [2]
    with pytest.raises(ModelError, match="pip install onnxruntime"):
        OnnxPolicy(opened, "onnxruntime")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match="onnxruntime or openvino is needed"):
        OnnxPolicy(opened)
    with pytest.raises(ModelError, match="'tensorflow' given, onnxruntime or openvino is allowed"):
        OnnxPolicy(opened, "tensorflow")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_pair_of_cameras_and_a_lidar_are_heard(bundle, runtime: str) -> None:
    pytest.importorskip(runtime)
    folder = bundle(DISCRETE, brightest(3))
    # Prefers the action whose sector, of the first three, is taken.
    nodes = [
        helper.make_node("Slice", [LIDAR_INPUT, "start", "end", "axis"], ["sectors"]),
        helper.make_node("Cast", [INPUT], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["pixels"], ["brightness"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["brightness", "axis"], ["column"]),
        helper.make_node("Mul", ["sectors", "column"], [OUTPUT]),
    ]
    numbers = {"start": 0, "end": 3, "axis": 1}
    graph = helper.make_graph(
        nodes,
        "sectors",
        [
            helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["batch", 2, 120, 160]),
            helper.make_tensor_value_info(LIDAR_INPUT, TensorProto.FLOAT, ["batch", 8]),
        ],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", 3])],
        initializer=[numpy_helper.from_array(np.array([v]), k) for k, v in numbers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    (folder / POLICY).write_bytes(model.SerializeToString())
    ModelMetadata(DISCRETE, ("STEREO_CAMERAS", "SECTOR_LIDAR")).save(folder / METADATA)
    seal(folder)
    policy = OnnxPolicy(ModelBundle.open(folder), runtime)
    pair = np.full((2, 2, 120, 160), 9, dtype=np.uint8)
    assert policy.predict(pair, np.eye(2, 8, 1, dtype=np.float32)).tolist() == [1, 2]
    with pytest.raises(ModelError, match="lidar has 8 values; nothing is given"):
        policy.predict(pair)
    ModelMetadata(DISCRETE, ("STEREO_CAMERAS",)).save(folder / METADATA)
    seal(folder)
    with pytest.raises(ModelError, match=r"does not take observation \(1, 2, 120, 160\) uint8 and"):
        OnnxPolicy(ModelBundle.open(folder), runtime)


def test_no_folder_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no model bundle .*deepracer export"):
        ModelBundle.open(tmp_path / "nothing")


@pytest.mark.parametrize("name", [POLICY, METADATA])
def test_one_wrong_bit_is_found(bundle, name: str) -> None:
    file = bundle(DISCRETE, brightest(3)) / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelError, match=f"damaged: .*{name} does not match its checksum"):
        ModelBundle.open(file.parent)


@pytest.mark.parametrize("name", [POLICY, METADATA, PROVENANCE])
def test_a_missing_file_is_named(bundle, name: str) -> None:
    folder = bundle(DISCRETE, brightest(3))
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"damaged: .*{name} cannot be read"):
        ModelBundle.open(folder)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not valid JSON"),
        ("[]", "holds no checksums"),
        ('{"format": 1}', "holds no checksums"),
        ('{"format": 99, "sha256": {}}', "format 99; this version reads format 1"),
    ],
)
def test_an_unusable_provenance_is_refused(bundle, text: str, reason: str) -> None:
    folder = bundle(DISCRETE, brightest(3))
    (folder / PROVENANCE).write_text(text)
    with pytest.raises(ModelError, match=reason):
        ModelBundle.open(folder)


def test_metadata_that_cannot_be_used_is_told_as_such(bundle) -> None:
    folder = bundle(DISCRETE, brightest(3))
    (folder / METADATA).write_text('{"action_space": []}')
    seal(folder)
    with pytest.raises(ModelError, match=r"cannot be used: .*0 actions given"):
        ModelBundle.open(folder)
