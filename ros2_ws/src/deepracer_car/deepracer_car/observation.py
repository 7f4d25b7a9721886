"""What the network sees: the shape of an observation, and how a picture becomes one."""

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
    """Turn any camera picture into an observation, (1, 120, 160).

    Args:
        frame: (rows, columns) grey or (rows, columns, 3) RGB, of any size.

    Returns:
        What the network sees; a grey picture of the right size is passed on without a copy.
    """
    grey = to_grey(frame) if frame.ndim == 3 else frame
    if grey.shape != (OBSERVATION_HEIGHT, OBSERVATION_WIDTH):
        # Shrinking averages over the pixels it merges, as the embedded camera does.
        shrinks = grey.shape[0] > OBSERVATION_HEIGHT
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        size = OBSERVATION_WIDTH, OBSERVATION_HEIGHT
        grey = np.asarray(cv2.resize(grey, size, interpolation=how), dtype=np.uint8)
    return grey.reshape(OBSERVATION_SHAPE)
