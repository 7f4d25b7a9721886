"""What the network sees: the shape of an observation, and how colours become grey."""

from __future__ import annotations

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
