"""What a track looks like: colours (RGB, 0 to 255), line widths and scenery, in metres.

Figures were measured on the original simulator's published textures and meshes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Appearance:
    """Colours and measures of road, lines, field, wall and sky.

    Attributes:
        border_line: which side of the track border the white line lies on: ``inside`` means that
            the border is the outer edge of the line, ``outside`` that the border is the edge of the
            road surface and the line lies beyond it.
        field_margin: metres from the outermost border to the wall.
    """

    road: RGB = (64, 63, 61)
    border: RGB = (223, 223, 222)
    center: RGB = (225, 143, 0)
    field: RGB = (126, 133, 65)
    wall: RGB = (36, 70, 81)
    sky: RGB = (178, 178, 178)
    border_line: Literal["inside", "outside"] = "inside"
    border_line_width: float = 0.076
    center_line_width: float = 0.025
    center_dash: float = 0.05
    center_gap: float = 0.05
    start_bar: bool = False
    wall_height: float = 1.0
    field_margin: float = 1.2


APPEARANCES = {
    "modern": Appearance(start_bar=True),
    "reinvent_2018": Appearance(
        road=(36, 49, 64),
        border=(194, 194, 190),
        center=(194, 117, 0),
        field=(95, 136, 104),
        field_margin=0.6,
    ),
    "training_2018": Appearance(
        road=(50, 50, 50),
        border_line="outside",
        center_gap=0.10,
        wall_height=0.3,
        field_margin=2.0,
    ),
}
"""The looks of the tracks since 2019, of re:Invent 2018, and of the first training tracks."""
