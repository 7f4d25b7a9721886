from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from deepracer_sim.appearance import APPEARANCES, Appearance
from deepracer_sim.scene import COARSE_TEXEL, FINE_TEXEL, Scene
from deepracer_sim.track import Track, track_from_rows

LOOK = Appearance()


def color_at(scene: Scene, x: float, y: float) -> tuple[int, ...]:
    column = int((x - scene.origin[0]) / scene.texel)
    row = int((y - scene.origin[1]) / scene.texel)
    return tuple(int(c) for c in scene.ground[row, column])


def across(scene: Scene, track: Track, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Offsets left of the centre line, m, and how white the ground is there (0 field/road, 1)."""
    offsets = np.linspace(-0.7, 0.7, 2801)
    reds = []
    for offset in offsets:
        x, y, _ = track.pose_at(distance, offset)
        reds.append(color_at(scene, x, y)[2])
    grey = np.array(reds, dtype=float)
    base = max(LOOK.road[2], LOOK.field[2])
    return offsets, np.clip((grey - base) / (LOOK.border[2] - base), 0.0, 1.0)


def test_road_field_and_dashes_have_their_colors(oval: Track) -> None:
    scene = Scene.of(oval)
    assert color_at(scene, *oval.pose_at(3.0, 0.15)[:2]) == LOOK.road
    assert color_at(scene, *oval.pose_at(3.0, 0.7)[:2]) == LOOK.field
    assert color_at(scene, *oval.pose_at(3.0, -0.7)[:2]) == LOOK.field
    pitch = oval.length / round(oval.length / (LOOK.center_dash + LOOK.center_gap))
    for k in (0, 7, 50):
        assert color_at(scene, *oval.pose_at((k + 0.25) * pitch)[:2]) == LOOK.center
        assert color_at(scene, *oval.pose_at((k + 0.75) * pitch)[:2]) == LOOK.road


@pytest.mark.parametrize(("side", "middle"), [("inside", 0.38 - 0.038), ("outside", 0.38 + 0.038)])
def test_border_lines_have_their_width_and_side(oval: Track, side: str, middle: float) -> None:
    track = replace(oval, appearance=replace(LOOK, border_line=side))
    scene = Scene.of(track)
    for distance in (0.75, 3.0, 5.5):
        offsets, white = across(scene, track, distance)
        for sign in (1.0, -1.0):
            line = np.where(sign * offsets > 0.1, white, 0.0)
            assert line.sum() * (offsets[1] - offsets[0]) == pytest.approx(0.076, abs=0.004)
            assert (line * offsets).sum() / line.sum() == pytest.approx(sign * middle, abs=0.003)


def test_wall_stands_field_margin_beyond_the_borders(oval: Track) -> None:
    scene = Scene.of(oval)
    low, high = np.array(scene.origin), np.add(scene.origin, scene.size)
    np.testing.assert_allclose(low, oval.outer.min(axis=0) - LOOK.field_margin, atol=scene.texel)
    np.testing.assert_allclose(high, oval.outer.max(axis=0) + LOOK.field_margin, atol=scene.texel)


def test_start_bar_only_where_the_appearance_has_one(oval: Track) -> None:
    plain = Scene.of(oval)
    barred = Scene.of(replace(oval, appearance=APPEARANCES["modern"]))
    # Three blocks share the 0.608 m between the lines, with gaps between them.
    for lateral in (-0.22, 0.05, 0.22):
        assert color_at(barred, *oval.pose_at(0.13, lateral)[:2]) == LOOK.border
        assert color_at(plain, *oval.pose_at(0.13, lateral)[:2]) != LOOK.border
    for distance in (0.13 - 0.045, 0.13 + 0.045):
        assert color_at(barred, *oval.pose_at(distance, 0.22)[:2]) == LOOK.road
    changed = (plain.ground != barred.ground).any(axis=2).sum() * plain.texel**2
    assert changed == pytest.approx(0.07 * (0.608 - 0.05), rel=0.1)


def test_open_track_has_no_line_across_its_ends() -> None:
    x = np.linspace(0.0, 4.0, 21)
    flat = np.zeros(21)
    rows = np.column_stack([x, flat, x, flat + 0.4, x, flat - 0.4])
    track = track_from_rows(rows, "straight")
    assert not track.closed
    scene = Scene.of(track)
    assert color_at(scene, 3.97, 0.15) == LOOK.road
    assert color_at(scene, 4.03, 0.15) == LOOK.field
    assert color_at(scene, 2.0, 0.38) == LOOK.border
    assert color_at(scene, 3.975, 0.0) in (LOOK.road, LOOK.center)


def test_large_tracks_get_coarser_texels(oval: Track) -> None:
    far = replace(oval, center=oval.center * 5, inner=oval.inner * 5, outer=oval.outer * 5)
    assert Scene.of(oval).texel == FINE_TEXEL
    assert FINE_TEXEL < Scene.of(far).texel <= COARSE_TEXEL


def test_same_track_same_bytes(oval: Track) -> None:
    assert Scene.of(oval).ground.tobytes() == Scene.of(oval).ground.tobytes()
