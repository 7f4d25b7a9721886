"""Pictures as arrays and as ROS messages, by cv_bridge where it is installed, else by numpy."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image

from deepracer_car.errors import ConfigError

try:
    if np.__version__[0] != "1":
        raise ImportError("cv_bridge is compiled for NumPy 1 and would end the process")
    import cv_bridge
except ImportError:  # Its compiled half comes with a ROS installation only.
    cv_bridge = None

Pixels = npt.NDArray[np.uint8]

CHANNELS = {"mono8": 1, "rgb8": 3, "bgr8": 3, "bgra8": 4}
"""Encodings that need no cv_bridge, and their bytes per pixel."""


def to_array(message: Any) -> Pixels:
    """Return the picture of a message: (rows, columns) grey or (rows, columns, 3) RGB.

    The array may share the memory of the message. A CompressedImage becomes grey.

    Raises:
        ConfigError: the encoding is not known, the message is shorter than it claims, or what is
            compressed is damaged.
    """
    if not hasattr(message, "encoding"):
        return _uncompressed(message)
    if cv_bridge is not None:
        return _by_cv_bridge(message)
    return by_numpy(message)


def by_numpy(message: Any) -> Pixels:
    """Convert as `to_array`, without cv_bridge."""
    channels = CHANNELS.get(message.encoding)
    if channels is None:
        raise ConfigError(
            f"Pictures of encoding '{message.encoding}' cannot be read; let the camera publish one "
            f"of {', '.join(CHANNELS)}, or install cv_bridge, which knows more."
        )
    rows, columns, step = message.height, message.width, message.step
    used = columns * channels
    if step < used or len(message.data) < rows * step:
        raise ConfigError(
            f"A {message.encoding} picture of {columns} x {rows} pixels with {step} bytes per row "
            f"came with {len(message.data)} bytes; it takes {rows} rows of at least {used}."
        )
    pixels = np.frombuffer(message.data, dtype=np.uint8, count=rows * step)
    pixels = pixels.reshape(rows, step)[:, :used]
    if channels == 1:
        return pixels
    pixels = pixels.reshape(rows, columns, channels)
    return pixels if message.encoding == "rgb8" else pixels[..., 2::-1]


def to_message(picture: Pixels, frame_id: str = "") -> Any:
    """Return an Image message of a grey (rows, columns) or an RGB (rows, columns, 3) picture."""
    message = Image()
    message.header.frame_id = frame_id
    message.height, message.width = picture.shape[:2]
    message.encoding = "mono8" if picture.ndim == 2 else "rgb8"
    message.step = message.width * CHANNELS[message.encoding]
    # Assigning the array itself would be checked byte by byte, in a thousand times the time.
    message.data = picture.tobytes()
    return message


def _uncompressed(message: Any) -> Pixels:
    data = np.frombuffer(message.data, dtype=np.uint8)
    # Grey is what a JPEG holds first; colours would be computed from it and thrown away again.
    picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    if picture is None:
        raise ConfigError(
            f"A compressed picture ('{message.format}', {data.size} bytes) cannot be read; let the "
            "camera publish JPEG or PNG."
        )
    return np.asarray(picture, dtype=np.uint8)


def _by_cv_bridge(message: Any) -> Pixels:
    encoding = "mono8" if message.encoding == "mono8" else "rgb8"
    try:
        picture = cv_bridge.CvBridge().imgmsg_to_cv2(message, desired_encoding=encoding)
    except cv_bridge.CvBridgeError as error:
        raise ConfigError(
            f"cv_bridge cannot turn a '{message.encoding}' picture into {encoding}: {error}. Let "
            f"the camera publish one of {', '.join(CHANNELS)}."
        ) from error
    return np.asarray(picture, dtype=np.uint8)
