from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepracer_sim.appearance import APPEARANCES
from deepracer_sim.scene import Scene
from deepracer_sim.top_view import TopView, Trail, save_png, speed_colors, top_view
from deepracer_sim.track import Track, track_from_rows


def test_looks_as_it_did(oval: Track, golden: Callable[[str, np.ndarray], None]) -> None:
    steps = np.linspace(0.0, 0.8 * oval.length, 120)
    points = np.array([oval.pose_at(s, 0.15 * np.sin(2.0 * s))[:2] for s in steps])
    trail = Trail(points, 1.5 + np.sin(steps))
    car = np.array([oval.pose_at(steps[-1], 0.1)])
    picture = TopView(oval, pixel=0.01, waypoints=False).draw(car, [trail])
    golden("top_view", picture)


def test_shows_the_scene_where_pixels_says(oval: Track) -> None:
    scene = Scene.of(oval)
    view = TopView(oval, pixel=0.01, waypoints=False, scene=scene)
    look = oval.appearance
    for lateral, color in ((0.2, look.road), (0.34, look.border), (0.8, look.field)):
        for distance in (1.0, 4.0, 9.0):
            column, row = np.rint(view.pixels(np.array(oval.pose_at(distance, lateral)[:2])))
            assert tuple(view.picture[int(row), int(column)]) == color
    assert tuple(view.picture[0, 0]) == look.wall


def test_left_is_left_and_up_is_up(oval: Track) -> None:
    view = TopView(oval, pixel=0.01)
    (x0, y0), (x1, y1) = view.pixels(np.array([[-1.0, -0.5], [1.0, 0.5]]))
    assert x1 - x0 == pytest.approx(200.0)
    assert y0 - y1 == pytest.approx(100.0)


def test_drawing_leaves_the_plain_picture_alone(oval: Track) -> None:
    view = TopView(oval, pixel=0.02)
    before = view.picture.copy()
    drawn = view.draw(np.array([oval.pose_at(2.0)]), [Trail(oval.center, None)])
    assert (view.picture == before).all()
    assert (drawn != before).any(axis=2).sum() > 100


def test_waypoints_start_and_legend_are_added(oval: Track) -> None:
    plain, marked = top_view(oval, pixel=0.01, waypoints=False), top_view(oval, pixel=0.01)
    assert plain.shape == marked.shape
    assert (plain != marked).any(axis=2).sum() > 1000
    rows = TopView(oval, pixel=0.01).picture.shape[0]
    assert (plain[rows:] == plain[rows:][0, 0]).mean() > 0.8
    other = top_view(replace(oval, title="Another name"), pixel=0.01)
    assert (other[:rows] == marked[:rows]).all()
    assert (other[rows:] != marked[rows:]).any()


def test_fits_into_the_given_size(oval: Track) -> None:
    rows, columns = TopView(oval, fit=(320, 260)).picture.shape[:2]
    assert columns == pytest.approx(320, abs=1)
    assert rows <= 260
    rows, columns = TopView(oval).picture.shape[:2]
    assert rows == pytest.approx(1000, abs=1)
    assert columns <= 1600


def test_open_tracks_can_be_drawn() -> None:
    x, flat = np.linspace(0.0, 4.0, 21), np.zeros(21)
    track = track_from_rows(np.column_stack([x, flat, x, flat + 0.4, x, flat - 0.4]), "straight")
    track = replace(track, appearance=APPEARANCES["modern"])
    assert top_view(track, pixel=0.02).ndim == 3


def test_speed_colors_go_from_blue_to_red() -> None:
    slow, fast = speed_colors(np.array([0.0, 4.0]), 4.0)
    assert slow[2] > slow[0]
    assert fast[0] > fast[2]


def test_png_is_written_whole(oval: Track, tmp_path: Path) -> None:
    picture = top_view(oval, pixel=0.02)
    path = tmp_path / "oval.png"
    save_png(picture, path)
    stored = cv2.imread(str(path))
    assert stored is not None
    assert (stored[..., ::-1] == picture).all()
    assert [p.name for p in tmp_path.iterdir()] == ["oval.png"]
