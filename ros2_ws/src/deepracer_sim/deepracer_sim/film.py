"""Films of a drive: the car from behind, a map, what the network sees and how it went."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import degrees
from pathlib import Path
from typing import Any

import cv2
import numba
import numpy as np

from deepracer_car.errors import ConfigError
from deepracer_car.spec import CONTROL_HZ, CarSpec
from deepracer_sim.appearance import RGB
from deepracer_sim.chase_view import ChaseView
from deepracer_sim.lettering import blend, panel, rounded, write
from deepracer_sim.scene import Pixels, Scene
from deepracer_sim.top_view import TopView, draw_car, draw_trail, speed_colors
from deepracer_sim.track import Floats, Track

WIDTH, HEIGHT = 1280, 720
GIF_WIDTH = 640
EDGE = 24
"""Distance of the insets from the edge of the picture, pixels."""
LAST_FRAME_SECONDS = 1.0
"""How long the end is held."""
FILM_SKY: RGB = (158, 196, 226)
FILM_TEXELS, FILM_TEXEL = 6_000_000, 0.003
"""The viewer comes closer to the ground than the car's camera resolves it."""
WHITE: RGB = (255, 255, 255)
SOFT: RGB = (176, 186, 196)
RAIL: RGB = (64, 72, 80)
ACCENT: RGB = (255, 122, 24)


@dataclass(frozen=True)
class Drive:
    """What a car did, one entry per control step, T in all.

    Attributes:
        poses: (T, 3) x, y, yaw of ``base_link``, m and rad.
        speeds: (T,) m/s.
        steering_angles: (T,) rad, positive to the left.
        progress: (T,) percent of the lap.
        times: (T,) s since the lap began.
        laps: (T,) number of the lap, from 1; None leaves it out.
        observations: (T, 1, 120, 160) uint8 as the network got them; None leaves them out.
        caption: a line about the drive, ASCII.
    """

    poses: Floats
    speeds: Floats
    steering_angles: Floats
    progress: Floats
    times: Floats
    laps: np.ndarray[Any, np.dtype[np.int64]] | None = None
    observations: Pixels | None = None
    caption: str = ""


def record_lap(path: Path, track: Track, drive: Drive, fps: int = CONTROL_HZ) -> None:
    """Write a film of ``drive`` to ``path``; see `write_film`."""
    write_film(path, film_frames(track, drive, round(LAST_FRAME_SECONDS * fps)), fps)


def write_film(path: Path, frames: Iterator[Pixels], fps: int) -> None:
    """Write pictures (720, 1280, 3) RGB: H.264 for ``.mp4``, a smaller animation for ``.gif``.

    The file appears when it is complete.

    Raises:
        ConfigError: another file ending, or PyAV is not installed.
    """
    form = path.suffix.lower()
    if form not in (".mp4", ".gif"):
        raise ConfigError(f"Films are written as .mp4 or .gif, not as '{path.name}'.")
    try:
        import av  # noqa: F401  (only films need it, and it is not part of the base install)
    except ImportError as error:
        raise ConfigError(
            "Films need PyAV, which is not installed: pip install 'deepracer-lab[train]'"
        ) from error
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}{form}")
    try:
        (_write_mp4 if form == ".mp4" else _write_gif)(unfinished, frames, fps)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def film_frames(track: Track, drive: Drive, hold: int = 0) -> Iterator[Pixels]:
    """The pictures of the film, (720, 1280, 3) RGB each; the last one comes ``hold`` times more."""
    studio = _Studio(track, drive)
    for step in range(len(drive.poses)):
        picture = studio.frame(step)
        yield picture
    for _ in range(hold):
        yield picture


class _Studio:
    """Composes the pictures of one film, in order."""

    def __init__(self, track: Track, drive: Drive) -> None:
        self._track, self._drive = track, drive
        scene = Scene.of(track, texels=FILM_TEXELS, finest=FILM_TEXEL)
        self._chase = ChaseView(replace(scene, sky=FILM_SKY), WIDTH, HEIGHT)
        self._map = TopView(track, fit=(320, 260), waypoints=False, scene=scene, wall=False)
        self._path = self._map.picture.copy()
        self._light = _daylight()

    def frame(self, step: int) -> Pixels:
        drive = self._drive
        pose = np.asarray(drive.poses[step], dtype=np.float64)
        picture = self._chase.render(pose, float(drive.steering_angles[step]))
        _shine(picture, self._light)
        self._put_map(picture, step)
        if drive.observations is not None:
            _put_observation(picture, drive.observations[step, 0])
        self._put_numbers(picture, step)
        self._put_title(picture)
        return picture

    def _put_map(self, picture: Pixels, step: int) -> None:
        drive = self._drive
        if step > 0:
            stretch = self._map.pixels(drive.poses[step - 1 : step + 1, :2])
            colors = speed_colors(drive.speeds[step - 1 : step + 1], CarSpec().max_speed)
            draw_trail(self._path, stretch, colors, 2)
        shown = self._path.copy()
        draw_car(shown, self._map, drive.poses[step], scale=2.2)
        columns = shown.shape[1]
        _put_inset(picture, shown, WIDTH - EDGE - columns, EDGE, 0)

    def _put_numbers(self, picture: Pixels, step: int) -> None:
        drive, left, top = self._drive, EDGE, HEIGHT - EDGE - 176
        panel(picture, (left, top, left + 400, top + 176), radius=14)
        write(picture, f"{drive.times[step]:.2f}", (left + 22, top + 66), 38.0)
        lap = "LAP TIME" if drive.laps is None else f"LAP {int(drive.laps[step])}"
        write(picture, f"{lap}   s", (left + 22, top + 92), 9.0, SOFT)
        write(picture, f"{drive.speeds[step]:.1f}", (left + 378, top + 66), 38.0, align="right")
        write(picture, "SPEED   m/s", (left + 378, top + 92), 9.0, SOFT, "right")
        steering = float(drive.steering_angles[step])
        share = steering / CarSpec().max_steering_angle
        _bar(
            picture, top + 122, "STEERING", 0.5, 0.5 - 0.5 * share, f"{degrees(steering):+.0f} deg"
        )
        progress = float(drive.progress[step])
        _bar(picture, top + 150, "PROGRESS", 0.0, progress / 100.0, f"{progress:.0f} %")

    def _put_title(self, picture: Pixels) -> None:
        title = self._track.title or self._track.name
        write(picture, title, (EDGE, EDGE + 22), 20.0, halo=(16, 20, 24))
        if self._drive.caption:
            write(picture, self._drive.caption, (EDGE, EDGE + 48), 11.0, halo=(16, 20, 24))


def _put_observation(picture: Pixels, observation: Pixels) -> None:
    size = observation.shape[1] * 2, observation.shape[0] * 2
    large = np.asarray(cv2.resize(observation, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    left, top = WIDTH - EDGE - size[0], HEIGHT - EDGE - size[1]
    _put_inset(picture, np.repeat(large[..., np.newaxis], 3, axis=2), left, top, 26)
    write(picture, "WHAT THE NETWORK SEES", (left + 6, top - 11), 9.0, SOFT)


def _put_inset(picture: Pixels, inset: Pixels, left: int, top: int, head: int) -> None:
    """Put ``inset`` on a panel with ``head`` pixels of room for a line above it."""
    rows, columns = inset.shape[:2]
    rim = 6
    box = left - rim, top - rim - head, left + columns + rim, top + rows + rim
    panel(picture, box, radius=14)
    blend(picture, rounded(columns, rows, 10), left, top, inset)


def _bar(picture: Pixels, middle: int, name: str, start: float, end: float, value: str) -> None:
    """A named bar from share ``start`` to share ``end`` of its rail."""
    left, width = EDGE + 112, 196
    write(picture, name, (EDGE + 22, middle + 5), 9.0, SOFT)
    write(picture, value, (EDGE + 378, middle + 5), 9.0, WHITE, "right")
    blend(picture, rounded(width, 8, 4), left, middle - 4, RAIL)
    if start > 0.0:
        tick = left + round(start * width)
        picture[middle - 7 : middle + 7, tick - 1 : tick + 1] = SOFT
    low, high = (round(min(max(share, 0.0), 1.0) * width) for share in sorted((start, end)))
    if high - low >= 8:
        blend(picture, rounded(high - low, 8, 4), left + low, middle - 4, ACCENT)


def _daylight() -> Pixels:
    """Brightness (720, 1280), 128 = 1: a touch darker towards the edges and the top."""
    y, x = np.mgrid[-1.0 : 1.0 : HEIGHT * 1j, -1.0 : 1.0 : WIDTH * 1j]
    gain = 138.0 - 22.0 * (0.55 * x * x + 0.45 * y * y) + 10.0 * np.minimum(y, 0.0)
    return np.asarray(np.rint(gain), dtype=np.uint8)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _shine(picture, light):  # type: ignore[no-untyped-def]
    """Multiply every pixel by its ``light`` / 128, in place."""
    for i in range(picture.shape[0]):
        for j in range(picture.shape[1]):
            gain = np.uint32(light[i, j])
            for c in range(3):
                picture[i, j, c] = min((picture[i, j, c] * gain) >> 7, 255)


def _write_mp4(path: Path, frames: Iterator[Pixels], fps: int) -> None:
    import av

    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as file:
        stream: Any = file.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "superfast", "crf": "22"}
        for picture in frames:
            # OpenCV converts colours many times faster than the library that encodes.
            planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        file.mux(stream.encode())


def _write_gif(path: Path, frames: Iterator[Pixels], fps: int) -> None:
    import av

    rows = HEIGHT * GIF_WIDTH // WIDTH
    with av.open(str(path), "w", format="gif") as file:
        stream: Any = file.add_stream("gif", rate=fps)
        stream.width, stream.height, stream.pix_fmt = GIF_WIDTH, rows, "pal8"
        graph = _palette_graph(GIF_WIDTH, rows, fps)
        for k, picture in enumerate(frames):
            small = cv2.resize(picture, (GIF_WIDTH, rows), interpolation=cv2.INTER_AREA)
            frame: Any = av.VideoFrame.from_ndarray(np.asarray(small, np.uint8), format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, fps)
            graph.push(frame)
        graph.push(None)
        while True:
            try:
                file.mux(stream.encode(graph.pull()))
            except (av.error.BlockingIOError, av.error.EOFError):
                break
        file.mux(stream.encode())


def _palette_graph(width: int, height: int, fps: int) -> Any:
    """A filter that finds the 256 best colours of the whole film and maps it to them."""
    from av import VideoFormat
    from av.filter import Graph

    graph = Graph()
    source = graph.add_buffer(
        width=width, height=height, format=VideoFormat("rgb24"), time_base=Fraction(1, fps)
    )
    split, generate = graph.add("split"), graph.add("palettegen", "stats_mode=diff")
    use, sink = graph.add("paletteuse", "dither=bayer:bayer_scale=4"), graph.add("buffersink")
    source.link_to(split)
    split.link_to(generate, 0, 0)
    split.link_to(use, 1, 0)
    generate.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph
