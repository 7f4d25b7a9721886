"""The embedded simulator: N cars on one track in this process, deterministic, without ROS."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from deepracer_car.observation import OBSERVATION_SHAPE
from deepracer_car.spec import CarSpec
from deepracer_sim.camera import Camera
from deepracer_sim.scene import Scene
from deepracer_sim.simulator import Floats, Frames
from deepracer_sim.track import Track
from deepracer_sim.vehicle import FORWARD_SPEED, STATE_SIZE, YAW, Vehicle


@lru_cache(maxsize=4)
def stock_camera(track: Track) -> Camera:
    """Return the car's camera on ``track``; simulators of one track share it, and its textures."""
    return Camera(Scene.of(track))


class EmbeddedSimulator:
    """A `Simulator`: bicycle dynamics and a table-rendered camera."""

    def __init__(self, track: Track, n_cars: int = 1, spec: CarSpec | None = None) -> None:
        """Put ``n_cars`` cars at rest in the origin; `place` them before use."""
        self._vehicle = Vehicle(spec)
        self._camera = stock_camera(track)
        self._state = np.zeros((n_cars, STATE_SIZE))

    @property
    def n_cars(self) -> int:
        """Number of cars."""
        return len(self._state)

    @property
    def states(self) -> Floats:
        """(N, 7): all there is to know of each car's motion; see `vehicle`."""
        return self._state.copy()

    @property
    def poses(self) -> Floats:
        """(N, 3): x, y in metres, yaw in radians."""
        return self._state[:, : YAW + 1].copy()

    @property
    def speeds(self) -> Floats:
        """(N,) forward speed, m/s."""
        return self._state[:, FORWARD_SPEED].copy()

    def place(self, cars: npt.NDArray[np.int64], poses: Floats, speeds: Floats) -> None:
        """Put ``cars`` (M,) at ``poses`` (M, 3) with forward ``speeds`` (M,), wheels straight."""
        self._state[cars] = 0.0
        self._state[cars, : YAW + 1] = poses
        self._state[cars, FORWARD_SPEED] = speeds

    def step(self, commands: Floats) -> None:
        """Hold ``commands`` (N, 2), steering angle, rad, and speed, m/s, for one control step."""
        self._vehicle.step(self._state, commands)

    def frames(self, cars: npt.NDArray[np.int64] | None = None) -> Frames:
        """Return what the cameras of ``cars`` (default: all) see now, (M, 1, 120, 160)."""
        poses = self._state[:, : YAW + 1] if cars is None else self._state[cars, : YAW + 1]
        frames = np.empty((len(poses), *OBSERVATION_SHAPE), dtype=np.uint8)
        return self._camera.render(np.ascontiguousarray(poses), frames)

    def close(self) -> None:
        """Nothing to give up."""
