"""Pictures as ROS messages and back, and how any of them becomes an observation."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import Image

from deepracer_car.errors import ConfigError
from deepracer_car.observation import preprocess, to_grey
from deepracer_car.ros.images import by_numpy, to_array, to_message
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.track_library import load_track

RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def message_of(pixels: np.ndarray, encoding: str, padding: int = 0) -> Image:
    """An Image of ``pixels`` (rows, columns, channels) with rows ``padding`` bytes longer."""
    rows, columns, channels = pixels.shape
    padded = np.full((rows, columns * channels + padding), 7, dtype=np.uint8)
    padded[:, : columns * channels] = pixels.reshape(rows, -1)
    image = Image(height=rows, width=columns, encoding=encoding, step=padded.shape[1])
    image.data = padded.tobytes()
    return image


def encoded(encoding: str) -> np.ndarray:
    opaque = np.full((*RGB.shape[:2], 1), 255, dtype=np.uint8)
    return {
        "mono8": RGB[..., :1],
        "rgb8": RGB,
        "bgr8": RGB[..., ::-1],
        "bgra8": np.concatenate([RGB[..., ::-1], opaque], axis=2),
    }[encoding]


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", ["mono8", "rgb8", "bgr8", "bgra8"])
def test_every_encoding_gives_the_same_picture(encoding: str, padding: int) -> None:
    picture = by_numpy(message_of(encoded(encoding), encoding, padding))
    np.testing.assert_array_equal(picture, RGB[..., 0] if encoding == "mono8" else RGB)


@pytest.mark.parametrize("encoding", ["mono8", "rgb8", "bgr8", "bgra8"])
def test_cv_bridge_gives_the_same_picture(encoding: str) -> None:
    pytest.importorskip("cv_bridge")
    message = message_of(encoded(encoding), encoding, 4)
    np.testing.assert_array_equal(to_array(message), by_numpy(message))


@pytest.mark.parametrize("picture", [RGB, RGB[..., 1]], ids=["rgb", "grey"])
def test_a_picture_comes_back_from_its_message(picture: np.ndarray) -> None:
    message = to_message(np.ascontiguousarray(picture), "camera_optical_frame")
    assert message.header.frame_id == "camera_optical_frame"
    np.testing.assert_array_equal(to_array(message), picture)


def test_an_unknown_encoding_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match=r"'16UC1' .* mono8, rgb8, bgr8, bgra8"):
        by_numpy(Image(height=1, width=1, encoding="16UC1", step=2, data=b"ab"))


@pytest.mark.parametrize(("step", "size"), [(24, 100), (23, 144)])
def test_a_message_shorter_than_it_claims_is_refused(step: int, size: int) -> None:
    image = Image(height=6, width=8, encoding="rgb8", step=step, data=bytes(size))
    with pytest.raises(ConfigError, match=f"{step} bytes per row came with {size} bytes"):
        by_numpy(image)


def test_a_frame_of_the_simulator_is_an_observation_as_it_is() -> None:
    frame = EmbeddedSimulator(load_track("Oval_track")).frames()[0]
    observation = preprocess(frame[0])
    assert observation.tobytes() == frame.tobytes()
    assert np.shares_memory(observation, frame)


def test_a_colour_picture_becomes_grey() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    np.testing.assert_array_equal(preprocess(picture)[0], to_grey(picture))


def test_a_large_picture_is_averaged_down() -> None:
    small = np.random.default_rng(2).integers(0, 256, (120, 160), dtype=np.uint8)
    np.testing.assert_array_equal(preprocess(np.kron(small, np.ones((4, 4), np.uint8)))[0], small)
    stripes = np.tile(np.array([0, 200], dtype=np.uint8), (240, 160))
    assert (preprocess(stripes) == 100).all()


def test_a_small_picture_is_enlarged() -> None:
    observation = preprocess(np.full((60, 80), 90, dtype=np.uint8))
    assert observation.shape == (1, 120, 160)
    assert (observation == 90).all()
