"""The car's camera: `Scene` and car poses in, grey frames out, many cars at once.

The camera sits rigidly on a car that stays level, so the ground seen by an image row is a straight
segment that is constant in the car's frame. Per frame each row is rotated and moved into the world
and sampled from a pyramid of ground pictures; rows that hold a long stretch of road are sampled
several times. Above the horizon stands the wall, whose top edge follows from one ray per column.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, cos, log2, sin, tan

import cv2
import numba
import numpy as np
import numpy.typing as npt

from deepracer_car.errors import SimulatorError
from deepracer_car.observation import OBSERVATION_HEIGHT, OBSERVATION_WIDTH, to_grey
from deepracer_car.spec import CameraMount
from deepracer_sim.appearance import RGB
from deepracer_sim.scene import Pixels, Scene
from deepracer_sim.track import Floats

LEVELS = 6
"""Ground pictures, each half as fine as the one before."""
MAX_TAPS = 4
"""Most samples along the stretch of road that one image row shows."""
TAP_SPACING = 6.0
"""Aim for one sample per so many pixel widths (on the ground) of that stretch."""
TAP_BLUR = 0.35
"""A sample's texels are no finer than this share of the stretch between two samples."""


@dataclass(frozen=True)
class Taps:
    """Where the rows of the image lie on the ground, in the car's frame: T samples, row by row.

    Attributes:
        first: (rows + 1,) int64, index of the first sample of each row.
        ahead: (T,) m ahead of ``base_link``.
        step: (T,) m to the right from one column to the next.
        level: (T,) int64, which picture of the pyramid.
    """

    first: npt.NDArray[np.int64]
    ahead: Floats
    step: Floats
    level: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pyramid:
    """Grey ground pictures of falling size with wall around them, ready to be sampled.

    Attributes:
        quads: all pictures one after the other; each uint32 holds a texel, its right neighbour, and
            the two above them, so that one load suffices for a bilinear sample.
        layout: (levels, 3) int64: index of the first quad, columns, rows of each picture.
        margin: texels of wall on each side of the finest picture.
    """

    quads: npt.NDArray[np.uint32]
    layout: npt.NDArray[np.int64]
    margin: int


class Camera:
    """Renders what each car sees of a scene; safe to use from several threads."""

    def __init__(
        self,
        scene: Scene,
        mount: CameraMount | None = None,
        width: int = OBSERVATION_WIDTH,
        height: int = OBSERVATION_HEIGHT,
    ) -> None:
        """Prepare the tables; ``mount`` is the stock camera unless given.

        Raises:
            SimulatorError: the camera is not between the road and the top of the wall.
        """
        mount = mount or CameraMount()
        if not 0.0 < mount.z < scene.wall_height:
            raise SimulatorError(
                f"The camera is {mount.z:g} m above the road; it must be above 0 and below the top "
                f"of the wall ({scene.wall_height:g} m)."
            )
        self.scene, self.mount, self.width, self.height = scene, mount, width, height
        wall, sky = (grey_of(color) for color in (scene.wall, scene.sky))
        taps = _taps(mount, width, height, scene)
        pyramid = _pyramid(to_grey(scene.ground), wall)
        focal = width / 2.0 / tan(mount.horizontal_fov / 2.0)
        view = np.array([mount.x, scene.wall_height - mount.z, mount.pitch, focal])
        texel = scene.texel
        low = np.array(scene.origin) - pyramid.margin * texel
        room = np.array([*scene.origin, *np.add(scene.origin, scene.size), *low, texel])
        self._tables = (taps.first, taps.ahead, taps.step, taps.level, pyramid.quads,
                        pyramid.layout, room, view, wall, sky)  # fmt: skip

    def render(self, poses: Floats, out: Pixels | None = None) -> Pixels:
        """Render one frame for each of ``poses`` (N, 3): x, y in metres, yaw in radians.

        Returns:
            ``out``, or a new array if it is None: (N, 1, height, width) uint8.

        Raises:
            SimulatorError: wrong shape of ``poses`` or ``out``.
        """
        poses = np.ascontiguousarray(poses, dtype=np.float64)
        shape = len(poses), 1, self.height, self.width
        if out is None:
            out = np.empty(shape, dtype=np.uint8)
        if poses.shape != (len(poses), 3) or out.shape != shape or out.dtype != np.uint8:
            raise SimulatorError(
                f"Poses {poses.shape} cannot be rendered into {out.dtype} {out.shape}; give poses "
                f"(N, 3) and an uint8 array (N, 1, {self.height}, {self.width})."
            )
        _render(poses, out, *self._tables)
        return out


def grey_of(color: RGB) -> int:
    """The grey of one colour."""
    return int(to_grey(np.array([[color]], dtype=np.uint8))[0, 0])


def _taps(mount: CameraMount, width: int, height: int, scene: Scene) -> Taps:
    focal = width / 2.0 / tan(mount.horizontal_fov / 2.0)
    beyond = 2.0 * float(np.hypot(*scene.size))

    def ground(row: float) -> tuple[float, float]:
        """Metres ahead of base_link and depth along the optical axis of an image row."""
        up = (height / 2.0 - row) / focal
        drop = sin(mount.pitch) - up * cos(mount.pitch)
        depth = mount.z / drop if drop > 0.0 else np.inf
        ahead = depth * (cos(mount.pitch) + up * sin(mount.pitch))
        return (mount.x + ahead, depth) if ahead < beyond else (mount.x + beyond, 0.0)

    first, ahead, step, level = [0], [], [], []
    for row in range(height):
        if ground(row + 1.0)[1] == 0.0:
            first.append(first[-1])
            continue
        depth = ground(row + 0.5)[1] or ground(row + 1.0)[1]
        across = depth / focal
        along = ground(float(row))[0] - ground(row + 1.0)[0]
        count = min(max(ceil(along / (TAP_SPACING * max(across, scene.texel))), 1), MAX_TAPS)
        footprint = max(across, along / count * TAP_BLUR)
        chosen = min(max(round(log2(footprint / scene.texel)), 0), LEVELS - 1)
        for k in range(count):
            place, depth = ground(row + (k + 0.5) / count)
            ahead.append(place)
            step.append(depth / focal)
            level.append(chosen)
        first.append(len(ahead))
    return Taps(np.array(first), np.array(ahead), np.array(step), np.array(level))


def _pyramid(grey: Pixels, wall: int) -> Pyramid:
    coarsest = 2 ** (LEVELS - 1)
    margin = 2 * coarsest
    rows, columns = grey.shape
    picture = np.full(
        [-(-side // coarsest) * coarsest + 2 * margin for side in (rows, columns)], wall, np.uint8
    )
    picture[margin : margin + rows, margin : margin + columns] = grey
    quads, layout, start = [], [], 0
    for _ in range(LEVELS):
        layout.append((start, picture.shape[1], picture.shape[0]))
        quads.append(_quads(picture))
        start += picture.size
        size = picture.shape[1] // 2, picture.shape[0] // 2
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    return Pyramid(np.concatenate(quads), np.array(layout), margin)


def _quads(picture: Pixels) -> npt.NDArray[np.uint32]:
    rows, columns = picture.shape
    quads = np.empty((rows, columns, 4), dtype=np.uint8)
    right = np.minimum(np.arange(columns) + 1, columns - 1)
    above = np.minimum(np.arange(rows) + 1, rows - 1)
    quads[..., 0] = picture
    quads[..., 1] = picture[:, right]
    quads[..., 2] = picture[above]
    quads[..., 3] = picture[above][:, right]
    return quads.view("<u4").ravel()


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _render(poses, out, first, ahead, step, level, quads, layout, room, view, wall, sky):  # type: ignore[no-untyped-def]
    """Render every pose; see `Camera` for the tables."""
    height, width = out.shape[2], out.shape[3]
    top = np.empty(width, dtype=np.float32)
    total = np.empty(width, dtype=np.uint32)
    texels = np.empty(width, dtype=np.uint32)
    half = np.float32(0.5)
    for n in range(poses.shape[0]):
        x, y = poses[n, 0], poses[n, 1]
        cosine, sine = np.cos(poses[n, 2]), np.sin(poses[n, 2])
        _wall_top(x, y, cosine, sine, room, view, height, top)
        for row in range(height):
            line = out[n, 0, row]
            if first[row] == first[row + 1]:
                for j in range(width):
                    cover = min(max(np.float32(row + 1) - top[j], np.float32(0)), np.float32(1))
                    line[j] = np.uint8(sky + (wall - sky) * cover + half)
                continue
            total[:] = 0
            for k in range(first[row], first[row + 1]):
                start, columns, rows = layout[level[k]]
                scale = 65536.0 / (room[6] * (1 << level[k]))
                # The middle of column 0, then one step to the right for each column.
                left = step[k] * (0.5 * width - 0.5)
                u = (x + cosine * ahead[k] - sine * left - room[4]) * scale - 32768.0
                v = (y + sine * ahead[k] + cosine * left - room[5]) * scale - 32768.0
                du, dv = sine * step[k] * scale, -cosine * step[k] * scale
                _add_samples(quads, start, columns, rows, u, v, du, dv, texels, total)
            share = np.float32(1.0 / (16384 * (first[row + 1] - first[row])))
            for j in range(width):
                line[j] = np.uint8(np.float32(np.int32(total[j])) * share + half)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_samples(quads, start, columns, rows, u, v, du, dv, texels, total):  # type: ignore[no-untyped-def]
    """Add to ``total`` the picture's bilinear samples, times 16384, on a straight line.

    It starts at ``u``, ``v`` and goes on by ``du``, ``dv`` texels, all times 65536. Three short
    loops of 32-bit integers, not one: compilers turn the first and the last into vector code.
    """
    u0, v0 = np.int32(min(max(u, -1e9), 1e9)), np.int32(min(max(v, -1e9), 1e9))
    du, dv = np.int32(np.rint(du)), np.int32(np.rint(dv))
    u_end, v_end = np.int32((columns - 2) << 16), np.int32((rows - 2) << 16)
    zero = np.int32(0)
    for j in range(total.shape[0]):
        uj = np.uint32(min(max(np.int32(u0 + np.int32(j) * du), zero), u_end))
        vj = np.uint32(min(max(np.int32(v0 + np.int32(j) * dv), zero), v_end))
        texels[j] = start + (vj >> 16) * columns + (uj >> 16)
    for j in range(total.shape[0]):
        texels[j] = quads[texels[j]]
    for j in range(total.shape[0]):
        uj = np.uint32(min(max(np.int32(u0 + np.int32(j) * du), zero), u_end))
        vj = np.uint32(min(max(np.int32(v0 + np.int32(j) * dv), zero), v_end))
        right, above = (uj >> 9) & 127, (vj >> 9) & 127
        # Both rows of the quad at once: lower in bits 0 to 15, upper in bits 16 to 31.
        pair = (texels[j] & 0x00FF00FF) * (128 - right) + ((texels[j] >> 8) & 0x00FF00FF) * right
        total[j] += (pair & 0xFFFF) * (128 - above) + (pair >> 16) * above


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _wall_top(x, y, cosine, sine, room, view, height, top):  # type: ignore[no-untyped-def]
    """Write the image row of the wall's upper edge for each column.

    The points at the height of the edge that a column sees form a ray that starts
    ``rise * tan(pitch)`` ahead of the camera; where it leaves the room is the edge.
    """
    lens, rise, pitch, focal = view
    tilt_cos, tilt_sin = np.cos(pitch), np.sin(pitch)
    width = top.shape[0]
    reach = lens + rise * tilt_sin / tilt_cos
    px = min(max(x + cosine * reach, room[0]), room[2])
    py = min(max(y + sine * reach, room[1]), room[3])
    for j in range(width):
        right = (j + 0.5 - 0.5 * width) / focal * tilt_cos
        dx, dy = cosine + sine * right, sine - cosine * right
        to_x = ((room[2] if dx > 0.0 else room[0]) - px) / dx if dx != 0.0 else np.inf
        to_y = ((room[3] if dy > 0.0 else room[1]) - py) / dy if dy != 0.0 else np.inf
        # Distance from the foot of the lens, then the pinhole projection of the edge.
        away = min(to_x, to_y) + rise * tilt_sin / tilt_cos
        depth = away * tilt_cos - rise * tilt_sin
        up = away * tilt_sin + rise * tilt_cos
        top[j] = 0.5 * height - focal * up / max(depth, 1e-3)
