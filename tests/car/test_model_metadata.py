"""model_metadata.json: what the console accepts is accepted, what it refuses is refused by name."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_car.action_space import ContinuousActionSpace, DiscreteActionSpace
from deepracer_car.errors import ConfigError
from deepracer_car.model_metadata import (
    CAMERA_CHANNELS,
    LIDAR_SENSORS,
    NEURAL_NETWORKS,
    SIMULATED_SENSORS,
    VERSIONS,
    LidarConfig,
    ModelMetadata,
)

DISCRETE: dict[str, Any] = {
    "action_space": [
        {"steering_angle": a, "speed": 0.6, "index": i} for i, a in enumerate((-30, -15, 0, 15, 30))
    ],
    "sensor": ["FRONT_FACING_CAMERA"],
    "neural_network": "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW",
    "training_algorithm": "clipped_ppo",
    "action_space_type": "discrete",
    "version": "5",
}
LIDAR = {"sensor": ["FRONT_FACING_CAMERA", "LIDAR"]}
CONTINUOUS: dict[str, Any] = {
    **DISCRETE,
    "action_space": {
        "steering_angle": {"high": 30.0, "low": -30.0},
        "speed": {"high": 2.0, "low": 1.0},
    },
    "action_space_type": "continuous",
}


@pytest.mark.parametrize("content", [DISCRETE, CONTINUOUS])
def test_a_full_file_is_read_and_written_unchanged(content: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "model_metadata.json"
    path.write_text(json.dumps(content))
    metadata = ModelMetadata.load(path)
    assert metadata.to_json() == content
    metadata.save(path)
    assert ModelMetadata.load(path) == metadata
    assert json.loads(path.read_text()) == content
    assert list(tmp_path.iterdir()) == [path]


def test_the_kind_of_space_follows_its_form() -> None:
    discrete = ModelMetadata.from_json({"action_space": DISCRETE["action_space"]})
    continuous = ModelMetadata.from_json({"action_space": CONTINUOUS["action_space"]})
    assert isinstance(discrete.action_space, DiscreteActionSpace)
    assert isinstance(continuous.action_space, ContinuousActionSpace)
    assert (discrete.action_space_type, continuous.action_space_type) == ("discrete", "continuous")


def test_absent_keys_mean_what_the_original_means() -> None:
    oldest = ModelMetadata.from_json({"action_space": DISCRETE["action_space"]})
    assert (oldest.sensor, oldest.version) == (("observation",), "1")
    assert (oldest.neural_network, oldest.training_algorithm) == (None, "clipped_ppo")
    newer = ModelMetadata.from_json(
        {"action_space": DISCRETE["action_space"], "sensor": ["FRONT_FACING_CAMERA"]}
    )
    assert newer.version == "2"


@given(
    st.sampled_from(sorted(CAMERA_CHANNELS)),
    st.sampled_from((None, *NEURAL_NETWORKS)),
    st.sampled_from(VERSIONS),
)
def test_every_allowed_value_survives_the_file(
    sensor: str, network: str | None, version: str
) -> None:
    space = DiscreteActionSpace.from_granularity(30, 5, 1, 2)
    metadata = ModelMetadata(space, (sensor,), network, "clipped_ppo", version)
    assert ModelMetadata.from_json(json.loads(json.dumps(metadata.to_json()))) == metadata


@given(st.sampled_from(sorted(DISCRETE)), st.integers(0, 30), st.sampled_from("xz_"))
def test_any_one_misspelt_key_is_rejected_and_named(key: str, at: int, letter: str) -> None:
    at = min(at, len(key))
    misspelt = key[:at] + letter + key[at:]
    content = {misspelt if k == key else k: v for k, v in DISCRETE.items()}
    with pytest.raises(ConfigError) as caught:
        ModelMetadata.from_json(content)
    assert f"unknown key '{misspelt}'" in str(caught.value)
    assert f"Did you mean '{key}'?" in str(caught.value)


@pytest.mark.parametrize("sensor", [*CAMERA_CHANNELS, *LIDAR_SENSORS])
def test_only_the_front_camera_is_simulated(sensor: str) -> None:
    names = [sensor] if sensor in CAMERA_CHANNELS else ["FRONT_FACING_CAMERA", sensor]
    metadata = ModelMetadata.from_json({**DISCRETE, "sensor": names})
    if sensor in SIMULATED_SENSORS:
        metadata.check_simulated()
    else:
        with pytest.raises(ConfigError, match=f"{sensor} is not simulated by this version"):
            metadata.check_simulated()


@pytest.mark.parametrize(
    ("sensor", "channels", "values"),
    [
        (["observation"], 1, 0),
        (["STEREO_CAMERAS"], 2, 0),
        (["LIDAR", "LEFT_CAMERA"], 1, 64),
        (["STEREO_CAMERAS", "SECTOR_LIDAR"], 2, 8),
    ],
)
def test_sensors_tell_the_size_of_what_is_seen(
    sensor: list[str], channels: int, values: int
) -> None:
    metadata = ModelMetadata.from_json({**DISCRETE, "sensor": sensor})
    assert (metadata.camera_channels, metadata.lidar_values) == (channels, values)
    assert ModelMetadata.from_json(metadata.to_json()) == metadata
    # A car that finds one key of lidar_config wants all seven.
    assert len(metadata.to_json().get("lidar_config", range(7))) == 7


def test_a_lidar_is_as_on_an_unmodified_car_unless_the_file_says_otherwise() -> None:
    content = {**DISCRETE, "sensor": ["LIDAR", "FRONT_FACING_CAMERA"]}
    given = {"num_values": 32, "min_angle": -90.0, "clipping_dist": 2.0}
    config = ModelMetadata.from_json({**content, "lidar_config": given}).lidar_config
    assert config == LidarConfig(num_values=32, min_angle=-math.pi / 2, num_sectors=32)
    told = config.to_json()
    assert (told["min_angle"], told["max_angle"], told["max_distance"]) == (-90.0, 150.0, 0.5)
    # Of a model without a lidar it says nothing.
    assert ModelMetadata.from_json({**DISCRETE, "lidar_config": given}).lidar_config is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sensor": "FRONT_FACING_CAMERA"}, "a list of names"),
        ({"sensor": []}, "a list of names"),
        ({"sensor": ["FRONT_FACING_CAMRA"]}, "Did you mean 'FRONT_FACING_CAMERA'"),
        ({"sensor": ["FRONT_FACING_CAMERA"] * 2}, "exactly one is allowed"),
        ({"sensor": ["LIDAR"]}, "0 of the kind camera given"),
        ({"sensor": ["observation", "LIDAR", "SECTOR_LIDAR"]}, "at most one is allowed"),
        ({"sensor": ["observation", "DISCRETIZED_SECTOR_LIDAR"]}, "known to no car"),
        (LIDAR | {"lidar_config": [1]}, "lidar_config: .* an object"),
        (LIDAR | {"lidar_config": {"num_value": 3}}, "Did you mean 'num_values'"),
        (LIDAR | {"lidar_config": {"min_angle": "x"}}, "lidar_config.min_angle: 'x' given"),
        (LIDAR | {"lidar_config": {"num_values": 0}}, "lidar_config.num_values: 0 given"),
        (LIDAR | {"lidar_config": {"num_sectors": 2.5}}, "lidar_config.num_sectors: 2.5 given"),
        ({"neural_network": "DEEP"}, "neural_network: 'DEEP' given"),
        ({"training_algorithm": "ppo"}, "training_algorithm: 'ppo' given"),
        ({"training_algorithm": "sac"}, "sac given with a discrete action_space"),
        ({"action_space_type": "continuous"}, "but action_space holds a list of actions"),
        ({"action_space_type": 3}, "action_space_type: 3 given"),
        ({"version": "7"}, "version: '7' given"),
        ({"version": True}, "version: True given"),
        ({"action_space": DISCRETE["action_space"][:1]}, "2 to 30 are allowed"),
    ],
)
def test_values_that_cannot_be_used_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelMetadata.from_json({**DISCRETE, **change})


def test_sac_needs_a_continuous_space_and_a_number_is_a_version_too() -> None:
    content = {**CONTINUOUS, "training_algorithm": "sac", "version": 4}
    metadata = ModelMetadata.from_json(content)
    assert (metadata.training_algorithm, metadata.version) == ("sac", "4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "list given, an object"),
        ("[" * 100_000, "is not valid JSON"),
        ("{}", "'action_space' is missing"),
        ("\udcff", "is not valid JSON"),
    ],
)
def test_broken_files_are_refused_with_their_name(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model_metadata.json"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(ConfigError, match=message) as caught:
        ModelMetadata.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json: cannot be read: No such file"):
        ModelMetadata.load(tmp_path / "none.json")


def test_what_the_console_adds_for_a_car_is_read() -> None:
    content = {
        "action_space": [{"steering_angle": 0, "speed": 1}, {"steering_angle": 9, "speed": 1}]
    }
    added = {"preprocess_type": "GREY_SCALE", "regional_parameters": ["0", "0", "0", "0"]}
    assert ModelMetadata.from_json({**content, **added}) == ModelMetadata.from_json(content)
    with pytest.raises(ConfigError, match="preprocess_type: 'RGB' given, GREY_SCALE is allowed"):
        ModelMetadata.from_json({**content, "preprocess_type": "RGB"})
