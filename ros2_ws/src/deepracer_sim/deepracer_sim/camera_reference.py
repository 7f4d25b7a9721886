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


def reference_frame(
    scene: Scene,
    pose: tuple[float, float, float],
    mount: CameraMount | None = None,
    width: int = OBSERVATION_WIDTH,
    height: int = OBSERVATION_HEIGHT,
    supersampling: int = 1,
) -> Pixels:
    """What a car at ``pose`` (x, y in metres, yaw in radians) sees.

    Args:
        scene: what there is to see.
        pose: of ``base_link``, inside the wall.
        mount: the stock camera unless given.
        width: of the frame.
        height: of the frame.
        supersampling: rays per pixel in each direction.

    Returns:
        (height, width) uint8 grey.
    """
    mount = mount or CameraMount()
    rays = _rays(mount, width * supersampling, height * supersampling)
    x, y, yaw = pose
    cosine, sine = cos(yaw), sin(yaw)
    ahead, left, up = rays
    lens = np.array([x + cosine * mount.x, y + sine * mount.x])
    direction = np.stack([cosine * ahead - sine * left, sine * ahead + cosine * left])
    with np.errstate(divide="ignore", invalid="ignore"):
        to_ground = np.where(up < 0.0, mount.z / -up, np.inf)
        to_wall = _distance_to_wall(scene, lens, direction)
        wall_at = mount.z + to_wall * up
    hit = np.where(np.isfinite(to_ground), to_ground, 0.0)
    samples = _ground(scene, lens[0] + hit * direction[0], lens[1] + hit * direction[1])
    wall, sky = to_grey(np.array([[scene.wall, scene.sky]], dtype=np.uint8))[0]
    samples = np.where(to_wall < to_ground, float(wall), samples)
    samples = np.where(wall_at > scene.wall_height, float(sky), samples)
    pixels = samples.reshape(height, supersampling, width, supersampling).mean(axis=(1, 3))
    return np.asarray(np.rint(pixels), dtype=np.uint8)


def psnr(frames: Pixels, reference: Pixels) -> float:
    """Peak signal-to-noise ratio of two equally shaped pictures, dB (infinite if equal)."""
    error = np.mean((frames.astype(np.float64) - reference.astype(np.float64)) ** 2)
    return float(10.0 * np.log10(255.0**2 / error)) if error else float("inf")


def _rays(mount: CameraMount, width: int, height: int) -> tuple[Floats, Floats, Floats]:
    """Direction of each pixel's ray in the car's frame: ahead, left, up, each (height, width)."""
    focal = width / 2.0 / tan(mount.horizontal_fov / 2.0)
    right = (np.arange(width) + 0.5 - width / 2.0) / focal
    below = (np.arange(height) + 0.5 - height / 2.0) / focal
    right, below = np.meshgrid(right, below)
    ahead = cos(mount.pitch) - below * sin(mount.pitch)
    up = -sin(mount.pitch) - below * cos(mount.pitch)
    return ahead, -right, up


def _distance_to_wall(scene: Scene, lens: Floats, direction: Floats) -> Floats:
    """How many ``direction`` (2, ...) fit between ``lens`` (2,) and the wall around it."""
    low = np.array(scene.origin)
    edges = np.where(
        direction > 0.0, (low + scene.size - lens)[:, None, None], (low - lens)[:, None, None]
    )
    return np.asarray(np.nan_to_num(edges / direction, nan=np.inf, posinf=np.inf).min(axis=0))


def _ground(scene: Scene, x: Floats, y: Floats) -> Floats:
    """Grey of the ground at points, interpolated between the four nearest texels."""
    grey = to_grey(scene.ground).astype(np.float64)
    rows, columns = grey.shape
    u = np.clip((x - scene.origin[0]) / scene.texel - 0.5, 0.0, columns - 1.001)
    v = np.clip((y - scene.origin[1]) / scene.texel - 0.5, 0.0, rows - 1.001)
    j, i = u.astype(np.int64), v.astype(np.int64)
    u, v = u - j, v - i
    near = grey[i, j] * (1.0 - u) + grey[i, j + 1] * u
    far = grey[i + 1, j] * (1.0 - u) + grey[i + 1, j + 1] * u
    return np.asarray(near * (1.0 - v) + far * v)
