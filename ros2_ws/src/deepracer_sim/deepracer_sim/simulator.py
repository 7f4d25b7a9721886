"""What every simulator of N cars offers to the racing task, embedded or behind ROS topics."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Frames = npt.NDArray[np.uint8]


class Simulator(Protocol):
    """N cars on one track, moved in lockstep: nothing moves between two calls of `step`."""

    @property
    def n_cars(self) -> int:
        """Number of cars."""
        ...

    @property
    def poses(self) -> Floats:
        """(N, 3): x, y in metres, yaw in radians, of each car's ``base_link``."""
        ...

    @property
    def speeds(self) -> Floats:
        """(N,) measured forward speed, m/s."""
        ...

    def place(self, cars: npt.NDArray[np.int64], poses: Floats, speeds: Floats) -> None:
        """Put ``cars`` (M,) at ``poses`` (M, 3) with forward ``speeds`` (M,), wheels straight."""
        ...

    def step(self, commands: Floats) -> None:
        """Hold ``commands`` (N, 2), steering angle, rad, and speed, m/s, for one control step."""
        ...

    def frames(self, cars: npt.NDArray[np.int64] | None = None) -> Frames:
        """Return new pictures of what ``cars`` (default: all) see now, (M, 1, 120, 160)."""
        ...

    def close(self) -> None:
        """Give up whatever the simulator holds; it is not used afterwards."""
        ...
