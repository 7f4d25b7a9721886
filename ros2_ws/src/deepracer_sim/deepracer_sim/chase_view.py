"""A colour view of a driving car from behind and above, for videos."""

from __future__ import annotations

from dataclasses import replace
from math import atan2, cos, sin, tan

import cv2
import numpy as np

from deepracer_car.spec import CameraMount, CarSpec
from deepracer_sim.camera import Camera
from deepracer_sim.car_mesh import CarMesh
from deepracer_sim.lettering import blend
from deepracer_sim.scene import Pixels, Scene
from deepracer_sim.track import Floats

MOUNT = CameraMount(x=0.0, z=0.46, pitch=0.27, horizontal_fov=1.15)
BEHIND = 0.92
"""Distance of the viewer behind the car, m."""
LAG = 0.22
"""Share by which the viewer turns after the car from one frame to the next."""
FINER = 3
"""The car is drawn this much finer and averaged."""


class ChaseView:
    """Follows one car; call `render` frame after frame."""

    def __init__(self, scene: Scene, width: int, height: int) -> None:
        """Prepare to look into ``scene`` with frames of ``width`` x ``height``."""
        # The viewer stands higher than some walls; its renderer has to be below their top.
        scene = replace(scene, wall_height=max(scene.wall_height, MOUNT.z + 0.1))
        self._scene = scene
        self._channels = [Camera(_channel(scene, c), MOUNT, width, height) for c in range(3)]
        self._focal = width / 2.0 / tan(MOUNT.horizontal_fov / 2.0)
        self._size = width, height
        self._car = CarMesh()
        self._yaw: float | None = None

    def render(self, pose: Floats, steering_angle: float) -> Pixels:
        """The scene with the car at ``pose`` (x, y, yaw; m, rad), (height, width, 3) RGB."""
        eye = self._follow(pose)
        planes = [channel.render(eye[np.newaxis])[0, 0] for channel in self._channels]
        picture = np.asarray(cv2.merge(planes), dtype=np.uint8)
        self._draw_shadow(picture, eye, pose)
        self._draw_car(picture, eye, pose, steering_angle)
        return picture

    def _follow(self, pose: Floats) -> Floats:
        """Pose of the viewer: behind the car, turning after it with a lag, inside the wall."""
        yaw = float(pose[2]) if self._yaw is None else self._yaw
        yaw += LAG * atan2(sin(pose[2] - yaw), cos(pose[2] - yaw))
        self._yaw = yaw
        low = np.array(self._scene.origin) + 0.05
        high = low + self._scene.size - 0.1
        x, y = np.clip(pose[:2] - BEHIND * np.array([cos(yaw), sin(yaw)]), low, high)
        return np.array([x, y, yaw])

    def _project(self, eye: Floats, points: Floats) -> tuple[Floats, Floats]:
        """Picture coordinates (..., 2) and depth (...) of world ``points`` (..., 3), m."""
        x, y = points[..., 0] - eye[0], points[..., 1] - eye[1]
        ahead, left = cos(eye[2]) * x + sin(eye[2]) * y, cos(eye[2]) * y - sin(eye[2]) * x
        up = points[..., 2] - MOUNT.z
        depth = np.maximum(ahead * cos(MOUNT.pitch) - up * sin(MOUNT.pitch), 0.05)
        lift = ahead * sin(MOUNT.pitch) + up * cos(MOUNT.pitch)
        width, height = self._size
        place = np.stack([width / 2.0 - self._focal * left / depth,
                          height / 2.0 - self._focal * lift / depth], axis=-1)  # fmt: skip
        return place, depth

    def _draw_shadow(self, picture: Pixels, eye: Floats, pose: Floats) -> None:
        spec = CarSpec()
        x, y = spec.length / 2.0 - 0.01, spec.width / 2.0
        outline = np.array([[x, y], [x, -y], [-x, -y], [-x, y]]) + np.array([0.015, -0.02])
        place, _ = self._project(eye, _to_world(np.insert(outline, 2, 0.0, axis=1), pose))
        # Drawn and blurred four times coarser: it is soft anyway.
        left, top = np.floor(place.min(axis=0)).astype(int) - 24
        columns, rows = np.ceil(np.ptp(place, axis=0) / 4.0).astype(int) + 12
        mask = np.zeros((rows, columns), dtype=np.uint8)
        corners = np.rint((place - (left, top)) / 4.0 * 16.0).astype(np.int32)
        cv2.fillConvexPoly(mask, corners, (150,), cv2.LINE_AA, 4)
        soft = cv2.resize(cv2.GaussianBlur(mask, (0, 0), 1.8), (4 * int(columns), 4 * int(rows)))
        blend(picture, np.asarray(soft, dtype=np.uint8), left, top, (8, 8, 8))

    def _draw_car(self, picture: Pixels, eye: Floats, pose: Floats, steering: float) -> None:
        corners = self._car.corners(steering)
        place, depth = self._project(eye, _to_world(corners, pose))
        left, top = np.floor(place.min(axis=0)).astype(int) - 1
        columns, rows = (int(side) for side in np.ceil(np.ptp(place, axis=0)) + 3)
        colors = np.zeros((rows * FINER, columns * FINER, 3), dtype=np.uint8)
        cover = np.zeros((rows * FINER, columns * FINER), dtype=np.uint8)
        fixed = np.rint(((place - (left, top) + 0.5) * FINER - 0.5) * 16.0).astype(np.int32)
        for face in self._car.visible(place, depth):
            cv2.fillConvexPoly(colors, fixed[face.part], face.color, cv2.LINE_8, 4)
            cv2.fillConvexPoly(cover, fixed[face.part], (255,), cv2.LINE_8, 4)
        cover = _coarse(cover)
        solid = _coarse(colors).astype(np.float32) * (255.0 / np.maximum(cover, 1)[..., np.newaxis])
        blend(picture, cover, left, top, np.minimum(solid, 255.0).astype(np.uint8))


def _coarse(picture: Pixels) -> Pixels:
    size = picture.shape[1] // FINER, picture.shape[0] // FINER
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _channel(scene: Scene, c: int) -> Scene:
    """One colour of the scene as a grey scene."""
    return replace(
        scene,
        ground=np.repeat(scene.ground[..., c : c + 1], 3, axis=2),
        wall=(scene.wall[c],) * 3,
        sky=(scene.sky[c],) * 3,
    )


def _to_world(points: Floats, pose: Floats) -> Floats:
    x, y = points[:, 0], points[:, 1]
    c, s = cos(pose[2]), sin(pose[2])
    return np.column_stack([pose[0] + c * x - s * y, pose[1] + s * x + c * y, points[:, 2]])
