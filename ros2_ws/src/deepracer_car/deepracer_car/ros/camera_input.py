"""The cameras there are: what they publish, and how it becomes an observation."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.clock import Clock
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image

from deepracer_car.errors import ConfigError, did_you_mean
from deepracer_car.observation import preprocess
from deepracer_car.ros import topics
from deepracer_car.ros.images import to_array

CAMERAS = {
    "image": topics.IMAGE,
    "compressed": f"{topics.IMAGE}/compressed",
    "camera_msg": "/camera_pkg/video_mjpeg",
}
"""Topics of Image, of CompressedImage, and of the CameraMsg of the car's own software, which holds
either."""
_PACKAGE = "deepracer_interfaces_pkg.msg"


def camera_message(camera: str) -> Any:
    """Return the message type of a camera, one of `CAMERAS`.

    Raises:
        ConfigError: there is no such camera, or the car's messages are not installed.
    """
    if camera not in CAMERAS:
        raise ConfigError(
            f"camera: '{camera}' given, one of {', '.join(CAMERAS)} is allowed."
            + did_you_mean(camera, CAMERAS)
        )
    if camera != "camera_msg":
        return CompressedImage if camera == "compressed" else Image
    try:
        return import_module(_PACKAGE).CameraMsg
    except ImportError as error:
        raise ConfigError(
            f"camera: camera_msg needs the car's package deepracer_interfaces_pkg ({error}). "
            "Source the setup file of the car's software first, such as "
            "/opt/aws/deepracer/lib/setup.bash."
        ) from None


def image_of(message: Any) -> Any:
    """Return the image of a camera's message: itself, or the first it holds.

    Raises:
        ConfigError: it holds none.
    """
    images = getattr(message, "images", None)
    if images is None:
        return message
    if not images:
        raise ConfigError("The camera sent a message without an image: is it plugged in?")
    return images[0]


def age_of(message: Any, clock: Clock) -> float:
    """Return how long ago a camera's message was stamped, s; 0 if it bears no image."""
    if getattr(message, "images", None) == []:
        return 0.0
    made = Time.from_msg(image_of(message).header.stamp, clock.clock_type)
    return float(max((clock.now() - made).nanoseconds * 1e-9, 0.0))


def to_observation(message: Any) -> npt.NDArray[np.uint8]:
    """Return what the network sees of a camera's message, (1, 120, 160).

    Raises:
        ConfigError: it holds no picture that can be read.
    """
    return preprocess(to_array(image_of(message)))
