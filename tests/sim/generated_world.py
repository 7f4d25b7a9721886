"""A generated world read back, from its files alone, and a camera that looks at it."""

from __future__ import annotations

import re
from math import tan
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np

from deepracer_car.observation import to_grey
from deepracer_car.spec import CameraMount

CROOKED = "reInvent2019_track"
"""A track that looks the same neither mirrored nor turned."""


def numbers(node: ElementTree.Element, path: str) -> np.ndarray:
    text = node.findtext(path)
    assert text, f"{path} is missing"
    return np.array(text.split(), dtype=float)


def shown(light: np.ndarray) -> np.ndarray:
    """The bytes that Gazebo's camera gives for linear light."""
    return np.rint(
        255.0 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    )


class World:
    """What a world shows, from its files alone, as the OBJ and SDF formats define it."""

    def __init__(self, file: Path) -> None:
        self.world = ElementTree.parse(file).getroot().find("world")
        assert self.world is not None
        ground = self.world.find("model[@name='ground']//visual")
        assert ground is not None
        picture = cv2.imread(str(file.parent / str(ground.findtext(".//emissive_map"))))
        assert picture is not None
        self.picture = picture[..., ::-1]
        obj = (file.parent / str(ground.findtext(".//uri"))).read_text()
        corners = np.array(re.findall(r"^v (\S+) (\S+) (\S+)", obj, re.M), dtype=float)
        self._uv = np.array(re.findall(r"^vt (\S+) (\S+)", obj, re.M), dtype=float)
        self._corners = corners * numbers(ground, ".//scale") + numbers(ground, "pose")[:3]
        faces = re.findall(r"^f (\d+)/(\d+)/1 (\d+)/(\d+)/1 (\d+)/(\d+)/1", obj, re.M)
        self._faces = np.array(faces, dtype=int).reshape(-1, 3, 2) - 1
        self.sky = shown(numbers(self.world, "scene/background")[:3])
        self.walls = [
            (numbers(wall, "pose")[:3], numbers(wall, ".//size"),
             shown(numbers(wall, ".//emissive")[:3]))
            for wall in self.world.findall("model[@name='walls']//visual")
        ]  # fmt: skip

    def ground(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Colours (N, 3) at points; NaN where there is no ground."""
        colors = np.full((len(x), 3), np.nan)
        rows, columns = self.picture.shape[:2]
        for face in self._faces:
            a, b, c = self._corners[face[:, 0]]
            assert np.cross(b - a, c - a)[2] > 0.0  # seen from above
            share = np.linalg.solve(
                np.array([[a[0], b[0], c[0]], [a[1], b[1], c[1]], [1, 1, 1]]),
                np.stack([x, y, np.ones_like(x)]),
            )
            inside = (share >= 0.0).all(axis=0)
            u, v = self._uv[face[:, 1]].T @ share[:, inside]
            j = np.minimum((u * columns).astype(int), columns - 1)
            i = np.minimum(((1.0 - v) * rows).astype(int), rows - 1)
            colors[inside] = self.picture[i, j]
        return colors

    def render(self, pose: np.ndarray, finer: int = 3) -> np.ndarray:
        """What the stock camera sees, grey, (120, 160), with ``finer`` rays each way per pixel."""
        mount, width, height = CameraMount(), 160 * finer, 120 * finer
        focal = width / 2.0 / tan(mount.horizontal_fov / 2.0)
        right, down = np.meshgrid((np.arange(width) + 0.5 - width / 2) / focal,
                                  (np.arange(height) + 0.5 - height / 2) / focal)  # fmt: skip
        c, s = np.cos(mount.pitch), np.sin(mount.pitch)
        rays = np.stack([c - down * s, -right, -s - down * c]).reshape(3, -1)
        c, s = np.cos(pose[2]), np.sin(pose[2])
        rays[:2] = np.array([[c, -s], [s, c]]) @ rays[:2]
        lens = np.array([pose[0] + c * mount.x, pose[1] + s * mount.x, mount.z])
        colors = np.repeat(self.sky[np.newaxis], rays.shape[1], axis=0)
        with np.errstate(divide="ignore"):
            nearest = np.where(rays[2] < 0.0, -lens[2] / rays[2], np.inf)
            below = np.isfinite(nearest)
            place = lens[:2, None] + nearest[below] * rays[:2, below]
            colors[below] = np.nan_to_num(self.ground(*place), nan=0.0)
            for middle, size, color in self.walls:
                to = [(middle + side * size / 2 - lens)[:, None] / rays for side in (-1, 1)]
                enter, leave = np.minimum(*to).max(axis=0), np.maximum(*to).min(axis=0)
                hit = (enter < leave) & (enter > 0.0) & (enter < nearest)
                colors[hit], nearest[hit] = color, enter[hit]
        grey = to_grey(colors.reshape(height, width, 3).astype(np.uint8)).astype(float)
        return np.rint(grey.reshape(120, finer, 160, finer).mean(axis=(1, 3))).astype(np.uint8)
