"""The Gymnasium spaces in which a policy sees and answers."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from deepracer_car.action_space import ActionSpace, DiscreteActionSpace
from deepracer_car.observation import OBSERVATION_SHAPE


def observation_space() -> spaces.Box:
    """Return the space of one grey frame, (1, 120, 160) uint8."""
    return spaces.Box(0, 255, OBSERVATION_SHAPE, dtype=np.uint8)


def answer_space(action_space: ActionSpace) -> spaces.Discrete | spaces.Box:
    """Return the space of raw answers that ``action_space`` decodes.

    Discrete: the position of an action. Continuous: steering angle and speed, each in -1 to 1.
    """
    if isinstance(action_space, DiscreteActionSpace):
        return spaces.Discrete(len(action_space.actions))
    return spaces.Box(-1.0, 1.0, (2,), dtype=np.float32)
