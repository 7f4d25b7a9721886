"""A picture of a track from above, for people: waypoints, driving direction, paths and cars."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, sin
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from deepracer_car.spec import CarSpec
from deepracer_sim.appearance import RGB
from deepracer_sim.lettering import write
from deepracer_sim.scene import Pixels, Scene
from deepracer_sim.track import Floats, Track

WHITE: RGB = (255, 255, 255)
DARK: RGB = (16, 20, 24)
SOFT: RGB = (168, 178, 188)
START: RGB = (64, 200, 255)
CAR: RGB = (255, 122, 24)
WALL_PIXELS = 6
LEGEND_HEIGHT = 74
LABEL_ROOM = 33.0
"""Least distance between two waypoint numbers, pixels."""
SHIFT = 4
"""Fractional bits of coordinates given to OpenCV."""


@dataclass(frozen=True)
class Trail:
    """A driven path.

    Attributes:
        points: (T, 2) m.
        speeds: (T,) m/s, or None for a path in one colour.
    """

    points: Floats
    speeds: Floats | None = None


class TopView:
    """A track from above, ready to be shown again and again with cars and paths on it."""

    def __init__(
        self,
        track: Track,
        *,
        pixel: float | None = None,
        fit: tuple[int, int] = (1600, 1000),
        waypoints: bool = True,
        scene: Scene | None = None,
        wall: bool = True,
    ) -> None:
        """Draw ``track``.

        Args:
            track: which.
            pixel: side of a pixel, m; None makes the picture fit into ``fit``.
            fit: columns and rows.
            waypoints: mark and number the waypoints and the start.
            scene: of the track, if it exists already.
            wall: draw the wall as a frame.
        """
        scene = scene or Scene.of(track)
        frame = self._frame = WALL_PIXELS if wall else 0
        self.pixel = pixel or max(
            scene.size[0] / (fit[0] - 2 * frame), scene.size[1] / (fit[1] - 2 * frame)
        )
        self._corner = np.array([scene.origin[0], scene.origin[1] + scene.size[1]])
        columns, rows = (max(1, round(side / self.pixel)) for side in scene.size)
        ground = cv2.resize(scene.ground[::-1], (columns, rows), interpolation=cv2.INTER_AREA)
        self.picture = np.empty((rows + 2 * frame, columns + 2 * frame, 3), dtype=np.uint8)
        """(rows, columns, 3) RGB: the track with nothing on it."""
        self.picture[:] = scene.wall
        self.picture[frame : frame + rows, frame : frame + columns] = ground
        if waypoints:
            _draw_start(self, track)
            _draw_waypoints(self, track)

    def pixels(self, points: Floats) -> Floats:
        """Picture coordinates x, y of ``points`` (..., 2) in metres."""
        return np.asarray((points - self._corner) * [1.0, -1.0] / self.pixel + self._frame - 0.5)

    def draw(self, cars: Floats | None = None, trails: Sequence[Trail] = ()) -> Pixels:
        """Draw ``trails`` and ``cars`` ((N, 3) poses, m and rad) on a copy of the picture."""
        picture = self.picture.copy()
        fastest = fastest_of(trails)
        for trail in trails:
            draw_trail(picture, self.pixels(trail.points), speed_colors(trail.speeds, fastest))
        for pose in np.empty((0, 3)) if cars is None else cars:
            draw_car(picture, self, pose)
        return picture


def top_view(
    track: Track,
    *,
    pixel: float | None = None,
    waypoints: bool = True,
    trails: Sequence[Trail] = (),
    cars: Floats | None = None,
) -> Pixels:
    """Draw ``track`` from above with a legend: name, length, width, direction, scale.

    Args:
        track: which.
        pixel: side of a pixel, m; None fits the picture into 1600 x 1000 pixels.
        waypoints: mark and number the waypoints and the start.
        trails: paths, coloured by speed.
        cars: (N, 3) poses of ``base_link``, m and rad.

    Returns:
        (rows, columns, 3) RGB.
    """
    view = TopView(track, pixel=pixel, waypoints=waypoints)
    return _with_legend(view.draw(cars, trails), track, view.pixel, fastest_of(trails))


def save_png(picture: Pixels, path: Path) -> None:
    """Write an RGB picture to ``path``, completely or not at all."""
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(data.tobytes())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def fastest_of(trails: Sequence[Trail]) -> float:
    """Top speed of all ``trails``, m/s; 0 if none has speeds."""
    return max((float(t.speeds.max()) for t in trails if t.speeds is not None), default=0.0)


def speed_colors(speeds: Floats | None, fastest: float) -> npt.NDArray[np.uint8] | RGB:
    """(T, 3) RGB from blue (standing) to red (``fastest``); one colour without speeds."""
    if speeds is None:
        return START
    share = np.clip(np.asarray(speeds) / max(fastest, 1e-6), 0.0, 1.0)
    levels = np.rint(20.0 + 220.0 * share).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(levels[:, np.newaxis], cv2.COLORMAP_TURBO)[:, 0, ::-1])


def draw_trail(
    picture: Pixels, points: Floats, colors: npt.NDArray[np.uint8] | RGB, width: int = 3
) -> None:
    """Draw a path through picture coordinates ``points`` (T, 2), each stretch in its colour."""
    fixed = _fixed(points)
    per_point = np.broadcast_to(np.asarray(colors, dtype=np.uint8), (len(points), 3))
    for a, b, color in zip(fixed[:-1], fixed[1:], per_point[1:].tolist(), strict=True):
        cv2.line(picture, a.tolist(), b.tolist(), color, width, cv2.LINE_AA, SHIFT)


def draw_car(picture: Pixels, view: TopView, pose: Floats, scale: float = 1.0) -> None:
    """Draw a car at ``pose`` as a pointed body, ``scale`` times its true size."""
    spec = CarSpec()
    nose, tail = spec.length / 2.0 * scale, -spec.length / 2.0 * scale
    side = spec.width / 2.0 * scale
    shape = np.array([[nose, 0.0], [nose * 0.4, side], [tail, side], [tail, -side],
                      [nose * 0.4, -side]])  # fmt: skip
    turn = np.array([[cos(pose[2]), sin(pose[2])], [-sin(pose[2]), cos(pose[2])]])
    corners = _fixed(view.pixels(shape @ turn + pose[:2]))
    cv2.fillPoly(picture, [corners], CAR, cv2.LINE_AA, SHIFT)
    cv2.polylines(picture, [corners], True, WHITE, 1, cv2.LINE_AA, SHIFT)


def _draw_start(view: TopView, track: Track) -> None:
    """A line across the road at waypoint 0 and an arrow in driving direction."""
    line = view.pixels(np.array([track.inner[0], track.outer[0]]))
    draw_trail(view.picture, line, START, 3)
    reach = 0.36 * float(track.widths[0])
    place = -0.25 * float(track.widths[0])
    x, y, yaw = track.pose_at(0.12, place)
    tip = np.array([x + 1.6 * reach * cos(yaw), y + 1.6 * reach * sin(yaw)])
    back, head = np.array([x, y]), np.array([cos(yaw), sin(yaw)]) * reach * 0.5
    side = np.array([-head[1], head[0]]) * 0.6
    shaft = side * 0.35
    neck = tip - head
    arrow = np.array([back + shaft, neck + shaft, neck + side, tip, neck - side, neck - shaft,
                      back - shaft])  # fmt: skip
    cv2.fillPoly(view.picture, [_fixed(view.pixels(arrow))], START, cv2.LINE_AA, SHIFT)


def _draw_waypoints(view: TopView, track: Track) -> None:
    """A dot for every waypoint and, where there is room, its number beyond the outer border."""
    count = len(track.center) - 1 if track.closed else len(track.center)
    dots = view.pixels(track.center)
    outwards = track.outer - track.center
    outwards = outwards / np.hypot(*outwards.T)[:, np.newaxis] * [1.0, -1.0]
    beyond = 20.0 + track.appearance.border_line_width / view.pixel
    labels = view.pixels(track.outer) + outwards * beyond
    step = next(k for k in (1, 2, 5, 10, 20, 50, 100, 1000) if _roomy(labels[:count:k]))
    taken: list[Floats] = []
    for i in range(count):
        crowded = any(np.hypot(*(labels[i] - other)) < LABEL_ROOM for other in taken)
        numbered = i % step == 0 and not crowded
        spot = _fixed(dots[i]).tolist()
        radius = 4 if numbered else 2
        cv2.circle(view.picture, spot, radius << SHIFT, WHITE, -1, cv2.LINE_AA, SHIFT)
        if numbered:
            taken.append(labels[i])
            x, y = labels[i].tolist()
            write(view.picture, str(i), (x, y + 5.0), 10.0, WHITE, "middle", halo=DARK)


def _roomy(labels: Floats) -> bool:
    steps = np.hypot(*np.diff(labels, axis=0).T)
    return bool(len(steps) == 0 or np.median(steps) > 1.2 * LABEL_ROOM)


def _with_legend(picture: Pixels, track: Track, pixel: float, fastest: float) -> Pixels:
    """Add name and measures of the track, a scale and the colours of speed below the picture."""
    rows, columns = picture.shape[:2]
    framed = np.empty((rows + LEGEND_HEIGHT, columns, 3), dtype=np.uint8)
    framed[:rows], framed[rows:] = picture, DARK
    turning = "counter-clockwise" if track.direction == "ccw" else "clockwise"
    facts = (f"{track.length:.2f} m long", f"{track.width:.2f} m wide",
             turning if track.closed else "open", f"{len(track.center)} waypoints")  # fmt: skip
    named = track.name if track.title in ("", track.name) else f"{track.title}  ({track.name})"
    write(framed, named, (20, rows + 32), 15.0)
    write(framed, "   |   ".join(facts), (20, rows + 58), 10.0, SOFT)
    meter = round(1.0 / pixel)
    right, base = columns - 24, rows + 46
    cv2.line(framed, (right - meter, base), (right, base), WHITE, 2)
    for x in (right - meter, right):
        cv2.line(framed, (x, base - 5), (x, base + 5), WHITE, 2)
    write(framed, "1 m", (right - meter / 2.0, base - 12), 10.0, SOFT, "middle")
    if fastest > 0.0:
        _speed_scale(framed, right - meter - 270, base, fastest)
    return framed


def _speed_scale(framed: Pixels, left: int, base: int, fastest: float) -> None:
    colors = speed_colors(np.linspace(0.0, fastest, 200), fastest)
    framed[base - 5 : base + 6, left : left + 200] = colors
    write(framed, "0", (left, base - 12), 10.0, SOFT)
    write(framed, f"{fastest:.1f} m/s", (left + 200, base - 12), 10.0, SOFT, "right")


def _fixed(points: Floats) -> npt.NDArray[np.int32]:
    return np.asarray(np.rint(np.asarray(points) * (1 << SHIFT)), dtype=np.int32)
