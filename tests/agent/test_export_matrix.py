"""Every kind of policy answers alike in torch, ONNX Runtime, OpenVINO and numpy."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.agent.policies import ALGORITHMS, SENSORS, lively, metadata_of, ours, plain

from deepracer_agent.car_archive import as_the_car, openvino_answers
from deepracer_agent.export_check import Looks, check_answers, looks_round, softmax, torch_answers
from deepracer_agent.frozen_graph import to_frozen_graph
from deepracer_agent.graph_nodes import read_nodes
from deepracer_agent.graph_numpy import run_graph
from deepracer_agent.onnx_graph import to_onnx
from deepracer_agent.policy_network import Crop, PolicyNetwork, Pool, Resize, read_policy
from deepracer_agent.stock_car import input_node, output_node
from deepracer_car.errors import ConfigError, ModelError
from deepracer_car.model_bundle import FORMAT, METADATA, POLICY, PROVENANCE, ModelBundle, checksum
from deepracer_car.model_metadata import ModelMetadata
from deepracer_car.policy import RUNTIMES, OnnxPolicy
from deepracer_sim.track_library import load_track

pytest.importorskip("openvino")

FEW = 12


@cache
def looks_of(metadata: ModelMetadata) -> Looks:
    return looks_round(load_track("reinvent_base"), metadata, FEW)


def answers_of_all(
    network: PolicyNetwork, metadata: ModelMetadata, looks: Looks, folder: Path
) -> dict[str, np.ndarray]:
    """What each runtime answers; the graphs for the car answer with probabilities."""
    (folder / POLICY).write_bytes(to_onnx(network).SerializeToString())
    metadata.save(folder / METADATA)
    sums = {name: checksum(folder / name) for name in (POLICY, METADATA)}
    (folder / PROVENANCE).write_text(json.dumps({"format": FORMAT, "sha256": sums}))
    bundle = ModelBundle.open(folder)
    answers = {
        runtime: OnnxPolicy(bundle, runtime).answers(looks.pictures, looks.lidar)
        for runtime in RUNTIMES
    }
    discrete = metadata.action_space_type == "discrete"
    inputs = [input_node(metadata, name) for name in (metadata.camera, metadata.lidar) if name]
    output = output_node(metadata)
    graph = folder / "model.pb"
    graph.write_bytes(to_frozen_graph(network, inputs, output, discrete=discrete))
    given = as_the_car(looks)
    answers["car openvino"] = openvino_answers(graph, inputs, output, given)
    name, answers["car numpy"] = run_graph(
        read_nodes(graph.read_bytes()), dict(zip(inputs, given, strict=True))
    )
    assert name == output
    return answers


def check_all(answers: dict[str, np.ndarray], expected: np.ndarray, discrete: bool) -> None:
    assert expected.std(axis=0).min() > 0.01, "who always says the same proves nothing"
    for runtime, answer in answers.items():
        wanted = softmax(expected) if discrete and runtime.startswith("car") else expected
        assert answer.shape == wanted.shape
        # Far below what an export may differ by.
        np.testing.assert_allclose(answer, wanted, atol=2e-5, err_msg=runtime)
        check_answers(answer, wanted, runtime=runtime, discrete=discrete)


@pytest.mark.parametrize("preset", ["fast", "deepracer"])
@pytest.mark.parametrize("sensor", SENSORS, ids="+".join)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_policy_answers_alike_everywhere(
    algorithm: str, sensor: tuple[str, ...], preset: str, tmp_path: Path
) -> None:
    metadata = metadata_of(algorithm, sensor)
    policy = ours(algorithm, metadata, preset)
    network = read_policy(policy, metadata)
    looks = looks_of(metadata)
    assert looks.pictures.shape == (FEW, metadata.camera_channels, 120, 160)
    expected = torch_answers(policy, network, looks)
    check_all(
        answers_of_all(network, metadata, looks, tmp_path), expected, algorithm == "ppo discrete"
    )
    if algorithm == "sac":
        assert np.abs(expected).max() < 1.0


@pytest.mark.parametrize(
    ("size", "crop", "steps"),
    [
        ((120, 160), None, ()),
        ((60, 80), None, (Pool(2),)),
        ((84, 84), None, (Resize(84, 84),)),
        ((80, 160), Crop(40, 0, 80, 160), (Crop(40, 0, 80, 160),)),
        ((48, 72), Crop(20, 8, 96, 144), (Crop(20, 8, 96, 144), Pool(2))),
        ((50, 90), Crop(30, 10, 80, 140), (Crop(30, 10, 80, 140), Resize(50, 90))),
    ],
)
def test_a_network_for_other_pictures_takes_those_of_the_car(
    size: tuple[int, int], crop: Crop | None, steps: tuple[object, ...], tmp_path: Path
) -> None:
    metadata = metadata_of("ppo continuous")
    policy = plain(metadata, size, net_arch=[32])
    network = read_policy(policy, metadata, crop)
    assert network.steps == steps
    looks = looks_of(metadata)
    expected = torch_answers(policy, network, looks)
    check_all(answers_of_all(network, metadata, looks, tmp_path), expected, discrete=False)


def test_pictures_that_were_not_scaled_in_training_are_not_scaled(tmp_path: Path) -> None:
    metadata = metadata_of("ppo discrete")
    for scaled in (True, False):
        policy = plain(metadata, (120, 160), normalize_images=scaled)
        network = read_policy(policy, metadata)
        assert network.divisor == (255.0 if scaled else 1.0)
    looks = looks_of(metadata)
    expected = torch_answers(policy, network, looks)
    for runtime, answer in answers_of_all(network, metadata, looks, tmp_path).items():
        wanted = softmax(expected) if runtime.startswith("car") else expected
        np.testing.assert_allclose(answer, wanted, rtol=1e-4, atol=1e-3, err_msg=runtime)


def test_both_pictures_of_a_pair_count_left_first(tmp_path: Path) -> None:
    metadata = metadata_of("ppo continuous", ("STEREO_CAMERAS",))
    looks = looks_of(metadata)
    left, right = looks.pictures[:, 0].astype(int), looks.pictures[:, 1].astype(int)
    assert np.abs(left - right).max() > 20
    policy = ours("ppo continuous", metadata)
    network = read_policy(policy, metadata)
    swapped = Looks(np.ascontiguousarray(looks.pictures[:, ::-1]), None)
    straight, crossed = (torch_answers(policy, network, seen) for seen in (looks, swapped))
    assert np.abs(straight - crossed).max() > 1e-3
    check_all(answers_of_all(network, metadata, swapped, tmp_path), crossed, discrete=False)


@pytest.mark.parametrize(
    ("size", "crop", "message"),
    [
        ((240, 320), None, "sees 240 rows and 320 columns, and the picture has only 120 and 160"),
        ((100, 160), Crop(40, 0, 80, 160), "sees 100 rows"),
        ((80, 160), Crop(41, 0, 80, 160), "it must lie inside 120 rows and 160 columns"),
        ((80, 160), Crop(0, -1, 80, 160), "it must lie inside"),
    ],
)
def test_pictures_that_the_car_does_not_have_are_refused(
    size: tuple[int, int], crop: Crop | None, message: str
) -> None:
    metadata = metadata_of("ppo discrete")
    with pytest.raises(ConfigError, match=message):
        read_policy(plain(metadata, size), metadata, crop)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (metadata_of("ppo continuous"), "has 10 answers, its model_metadata.json asks for 2"),
        (metadata_of("ppo discrete", SENSORS[1]), "has 1 channels .* asks for 2"),
        (metadata_of("ppo discrete", SENSORS[2]), "has 0 values of a lidar, .* asks for 64"),
    ],
)
def test_the_metadata_of_another_model_is_refused(metadata: ModelMetadata, message: str) -> None:
    policy = ours("ppo discrete", metadata_of("ppo discrete"))
    with pytest.raises(ConfigError, match=message):
        read_policy(policy, metadata)


def test_a_network_that_diverged_is_refused() -> None:
    metadata = metadata_of("ppo discrete")
    policy = ours("ppo discrete", metadata)
    policy.action_net.bias.data[3] = float("nan")
    with pytest.raises(ConfigError, match="the training diverged"):
        read_policy(policy, metadata)


def test_another_action_is_found_where_values_hardly_differ() -> None:
    expected = np.array([[0.50001, 0.49999], [0.9, 0.1]], dtype=np.float32)
    answers = expected.copy()
    answers[0] = answers[0, ::-1]
    assert check_answers(answers, expected, runtime="it", discrete=False) < 1e-4
    with pytest.raises(ModelError, match="another action on 1 of 2 pictures"):
        check_answers(answers, expected, runtime="it", discrete=True)
    with pytest.raises(ModelError, match=r"differ from torch's by nan"):
        check_answers(answers * np.float32("nan"), expected, runtime="it", discrete=False)


def test_the_check_leaves_the_policy_as_it_was() -> None:
    metadata = metadata_of("ppo discrete")
    policy = lively(ours("ppo discrete", metadata))
    policy.pi_features_extractor.reduced = True
    torch_answers(policy, read_policy(policy, metadata), looks_of(metadata))
    assert policy.pi_features_extractor.reduced
