"""How a camera frame becomes what the network sees, in training and on the road."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

OBSERVATION_HEIGHT = 120
OBSERVATION_WIDTH = 160
OBSERVATION_SHAPE = (1, OBSERVATION_HEIGHT, OBSERVATION_WIDTH)
"""Channel, row, column of one observation, uint8."""

LUMA_WEIGHTS = (0.2989, 0.5870, 0.1140)
"""Red, green and blue in grey (ITU-R BT.601), as the original's filter and the car use them."""


def to_grey(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Turn an RGB picture (rows, columns, 3) into grey (rows, columns), both 0 to 255."""
    weights = np.array(LUMA_WEIGHTS, dtype=np.float32)
    return np.asarray(np.rint(rgb.astype(np.float32) @ weights), dtype=np.uint8)


def preprocess(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Turn a camera frame (rows, columns, 3) RGB into one observation (1, 120, 160)."""
    small = cv2.resize(
        frame, (OBSERVATION_WIDTH, OBSERVATION_HEIGHT), interpolation=cv2.INTER_LINEAR
    )
    return to_grey(np.asarray(small, dtype=np.uint8))[np.newaxis]
