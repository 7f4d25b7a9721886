"""Smooth text and rounded panels on RGB pictures."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import cv2
import numba
import numpy as np
import numpy.typing as npt

from deepracer_sim.appearance import RGB
from deepracer_sim.scene import Pixels

FACE = cv2.FONT_HERSHEY_DUPLEX
CAP_HEIGHT = 21.0
"""Height of capitals of `FACE` at scale 1, pixels."""
FINER = 4
"""Text and corners are drawn this much finer and averaged."""


def write(
    picture: Pixels,
    text: str,
    at: tuple[float, float],
    height: float,
    color: RGB = (255, 255, 255),
    align: Literal["left", "middle", "right"] = "left",
    halo: RGB | None = None,
) -> float:
    """Write ``text`` (ASCII) with its base line at pixel ``at`` (x, y).

    Args:
        picture: (rows, columns, 3) RGB, changed in place.
        text: what to write.
        at: x of the left end, the middle or the right end, and y of the base line.
        height: of capital letters, pixels.
        color: of the letters.
        align: what x means.
        halo: colour of a thin outline that keeps letters legible on any ground.

    Returns:
        Width of the text, pixels.
    """
    scale = height * FINER / CAP_HEIGHT
    stroke = max(1, round(height * FINER / 12.0))
    (wide, tall), drop = cv2.getTextSize(text, FACE, scale, stroke)
    rim = max(2, round(height / 7.0)) * FINER
    width = wide / FINER
    left = at[0] - {"left": 0.0, "middle": 0.5, "right": 1.0}[align] * width
    x, y = int(np.floor(left - rim / FINER)), int(np.floor(at[1] - (tall + rim) / FINER))
    columns, rows = -(-(wide + 2 * rim) // FINER) + 1, -(-(tall + drop + 2 * rim) // FINER) + 1
    mask = np.zeros((rows * FINER, columns * FINER), dtype=np.uint8)
    start = round((left - x) * FINER), round((at[1] - y) * FINER)
    cv2.putText(mask, text, start, FACE, scale, 255, stroke, cv2.LINE_AA)
    if halo is not None:
        around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (rim + 1, rim + 1))
        blend(picture, _coarse(cv2.dilate(mask, around)), x, y, halo)
    blend(picture, _coarse(mask), x, y, color)
    return width


def panel(
    picture: Pixels,
    box: tuple[int, int, int, int],
    color: RGB = (16, 20, 24),
    opacity: float = 0.72,
    radius: int = 10,
) -> None:
    """Lay a rounded, see-through panel over ``box`` (left, top, right, bottom), in place."""
    left, top, right, bottom = box
    blend(picture, rounded(right - left, bottom - top, radius, opacity), left, top, color)


@lru_cache(maxsize=512)
def rounded(width: int, height: int, radius: int, opacity: float = 1.0) -> Pixels:
    """Coverage (height, width), 0 to 255, of a rectangle with rounded corners."""
    mask = np.zeros((height * FINER, width * FINER), dtype=np.uint8)
    r = radius * FINER
    value = round(255 * opacity)
    cv2.rectangle(mask, (r, 0), (width * FINER - 1 - r, height * FINER - 1), value, -1)
    cv2.rectangle(mask, (0, r), (width * FINER - 1, height * FINER - 1 - r), value, -1)
    for x in (r, width * FINER - 1 - r):
        for y in (r, height * FINER - 1 - r):
            cv2.circle(mask, (x, y), r, value, -1)
    return _coarse(mask)


def blend(picture: Pixels, cover: Pixels, x: int, y: int, color: RGB | Pixels) -> None:
    """Lay ``color``, one or a picture of them, over ``picture`` where ``cover`` (0 to 255) says.

    The upper left corner of ``cover`` goes to pixel (``x``, ``y``); what sticks out is cut off.
    """
    top, left = max(y, 0), max(x, 0)
    bottom, right = (
        min(y + cover.shape[0], picture.shape[0]),
        min(x + cover.shape[1], picture.shape[1]),
    )
    if bottom <= top or right <= left:
        return
    part = slice(top - y, bottom - y), slice(left - x, right - x)
    above = np.broadcast_to(np.asarray(color, dtype=np.uint8), (*cover.shape, 3))
    _blend(picture[top:bottom, left:right], cover[part], above[part])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _blend(below, cover, above):  # type: ignore[no-untyped-def]
    for i in range(below.shape[0]):
        for j in range(below.shape[1]):
            share = np.uint32(cover[i, j])
            for c in range(3):
                mixed = below[i, j, c] * (255 - share) + above[i, j, c] * share
                below[i, j, c] = (mixed + 127) // 255


def _coarse(mask: npt.NDArray[Any]) -> Pixels:
    size = mask.shape[1] // FINER, mask.shape[0] // FINER
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
