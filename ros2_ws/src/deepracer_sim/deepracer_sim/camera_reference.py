"""The camera once more, in plain numpy and from first principles: the yardstick of `camera`.

Every sample is one ray of a pinhole camera, followed to the ground, the wall or the sky. Slow and
obvious on purpose; the mean of many rays per pixel is the picture that a perfect camera would take.
"""

from __future__ import annotations

from math import cos, sin, tan

import numpy as np

from deepracer_car.observation import OBSERVATION_HEIGHT, OBSERVATION_WIDTH, to_grey
from deepracer_car.spec import CameraMount
from deepracer_sim.scene import Pixels, Scene
from deepracer_sim.track import Floats


class ReferenceCamera:
    """Renders what cars inside the wall of a scene see, as `Camera` does, ray by ray."""

    def __init__(
        self,
        scene: Scene,
        mount: CameraMount | None = None,
        width: int = OBSERVATION_WIDTH,
        height: int = OBSERVATION_HEIGHT,
        supersampling: int = 1,
    ) -> None:
        """Prepare the rays: ``supersampling`` per pixel in each direction."""
        self._scene, self._mount = scene, mount or CameraMount()
        self._shape = height, supersampling, width, supersampling
        self._rays = _rays(self._mount, width * supersampling, height * supersampling)
        self._ground = to_grey(scene.ground).astype(np.float64)
        colors = to_grey(np.array([[scene.wall, scene.sky]], dtype=np.uint8))
        self._wall, self._sky = colors[0].astype(np.float64)

    def render(self, poses: Floats) -> Pixels:
        """One frame for each of ``poses`` (N, 3), m and rad: (N, 1, height, width) uint8."""
        return np.stack([self._frame(*pose)[np.newaxis] for pose in poses])

    def _frame(self, x: float, y: float, yaw: float) -> Pixels:
        scene, mount = self._scene, self._mount
        ahead, left, up = self._rays
        lens = np.array([x + cos(yaw) * mount.x, y + sin(yaw) * mount.x])
        direction = np.stack(
            [cos(yaw) * ahead - sin(yaw) * left, sin(yaw) * ahead + cos(yaw) * left]
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            to_ground = np.where(up < 0.0, mount.z / -up, np.inf)
            to_wall = self._distance_to_wall(lens, direction)
            height = mount.z + to_wall * up
        hit = np.where(np.isfinite(to_ground), to_ground, 0.0)
        samples = self._sample(lens[0] + hit * direction[0], lens[1] + hit * direction[1])
        samples = np.where(to_wall < to_ground, self._wall, samples)
        samples = np.where(height > scene.wall_height, self._sky, samples)
        pixels = samples.reshape(self._shape).mean(axis=(1, 3))
        return np.asarray(np.rint(pixels), dtype=np.uint8)

    def _distance_to_wall(self, lens: Floats, direction: Floats) -> Floats:
        """How many ``direction`` (2, ...) fit between ``lens`` (2,) and the wall around it."""
        to_low = np.array(self._scene.origin) - lens
        to_high = to_low + self._scene.size
        edges = np.where(direction > 0.0, to_high[:, None, None], to_low[:, None, None])
        return np.asarray(np.nan_to_num(edges / direction, nan=np.inf, posinf=np.inf).min(axis=0))

    def _sample(self, x: Floats, y: Floats) -> Floats:
        """Grey of the ground at points, interpolated between the four nearest texels."""
        ground, scene = self._ground, self._scene
        rows, columns = ground.shape
        u = np.clip((x - scene.origin[0]) / scene.texel - 0.5, 0.0, columns - 1.001)
        v = np.clip((y - scene.origin[1]) / scene.texel - 0.5, 0.0, rows - 1.001)
        j, i = u.astype(np.int64), v.astype(np.int64)
        u, v = u - j, v - i
        near = ground[i, j] * (1.0 - u) + ground[i, j + 1] * u
        far = ground[i + 1, j] * (1.0 - u) + ground[i + 1, j + 1] * u
        return np.asarray(near * (1.0 - v) + far * v)


def _rays(mount: CameraMount, width: int, height: int) -> tuple[Floats, Floats, Floats]:
    """Direction of each pixel's ray in the car's frame: ahead, left, up, each (height, width)."""
    focal = width / 2.0 / tan(mount.horizontal_fov / 2.0)
    right, below = np.meshgrid(
        (np.arange(width) + 0.5 - width / 2.0) / focal,
        (np.arange(height) + 0.5 - height / 2.0) / focal,
    )
    ahead = cos(mount.pitch) - below * sin(mount.pitch)
    up = -sin(mount.pitch) - below * cos(mount.pitch)
    return ahead, -right, up


def psnr(frames: Pixels, reference: Pixels) -> float:
    """Peak signal-to-noise ratio of two equally shaped pictures, dB (infinite if equal)."""
    error = np.mean((frames.astype(np.float64) - reference.astype(np.float64)) ** 2)
    return float(10.0 * np.log10(255.0**2 / error)) if error else float("inf")
