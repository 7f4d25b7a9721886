"""The car's shapes as STL files, for rviz and Gazebo: what `car_mesh` draws, one file per colour.

``python -m deepracer_sim.car_stl FOLDER`` writes them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from deepracer_car.spec import CarSpec
from deepracer_sim.appearance import RGB
from deepracer_sim.car_mesh import BODY, GLASS, HUB, TRIM, TYRE, body_polygons, wheel_polygons
from deepracer_sim.track import Floats

TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
"""A triangle in a binary STL file."""


def write_shapes(folder: Path) -> None:
    """Write body, trim and glass (origin: base_link), tyre and hub (origin: their middle)."""
    body = body_polygons()
    wheel = [
        (corners - [0.0, 0.0, CarSpec.wheel_radius], color)
        for corners, color in wheel_polygons(0.0, 0.0, CarSpec.wheel_radius)
    ]
    parts = {"body": (body, BODY), "trim": (body, TRIM), "glass": (body, GLASS),
             "tyre": (wheel, TYRE), "hub": (wheel, HUB)}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    for name, (polygons, color) in parts.items():
        (folder / f"{name}.stl").write_bytes(_stl(name, polygons, color))


def _stl(name: str, polygons: list[tuple[Floats, RGB]], color: RGB) -> bytes:
    """The polygons of one colour as a binary STL file."""
    fans = [
        corners[[0, k, k + 1]]
        for corners, own in polygons
        if own == color
        for k in range(1, len(corners) - 1)
    ]
    triangles = np.zeros(len(fans), dtype=TRIANGLE)
    triangles["corners"] = fans
    edges = np.diff(np.array(fans), axis=1)
    normals = np.cross(edges[:, 0], edges[:, 1])
    triangles["normal"] = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    title = f"DeepRacer car: {name}".encode().ljust(80, b"\0")
    return bytes(title + len(fans).to_bytes(4, "little") + triangles.tobytes())


if __name__ == "__main__":
    write_shapes(Path(sys.argv[1]))
