from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepracer_car.errors import ConfigError
from deepracer_sim import film
from deepracer_sim.appearance import APPEARANCES
from deepracer_sim.camera import Camera
from deepracer_sim.chase_view import ChaseView
from deepracer_sim.film import Drive, film_frames, record_lap
from deepracer_sim.scene import Scene
from deepracer_sim.track import Track

STEPS = 12


@pytest.fixture(scope="module")
def drive(oval: Track) -> Drive:
    poses = np.array([oval.pose_at(1.0 + 0.12 * k, 0.05) for k in range(STEPS)])
    return Drive(
        poses=poses,
        speeds=np.linspace(1.0, 3.0, STEPS),
        steering_angles=np.linspace(-0.4, 0.4, STEPS),
        progress=np.linspace(8.0, 20.0, STEPS),
        times=np.arange(STEPS) / 15.0,
        laps=np.ones(STEPS, dtype=np.int64),
        observations=Camera(Scene.of(oval)).render(poses),
        caption="test drive",
    )


def test_frame_looks_as_it_did(
    oval: Track, drive: Drive, golden: Callable[[str, np.ndarray], None]
) -> None:
    # Letters differ between OpenCV versions: compare the middle, where there are none.
    frame = list(film_frames(oval, drive))[-1]
    golden("chase_view", frame[200:680, 440:920])


def test_network_view_shows_the_observation(oval: Track, drive: Drive) -> None:
    frame = next(film_frames(oval, drive))
    left, top = film.WIDTH - film.EDGE - 320, film.HEIGHT - film.EDGE - 240
    inset = frame[top : top + 240 : 2, left : left + 320 : 2]
    assert drive.observations is not None
    # The corners are rounded off.
    assert (inset[10:-10, 10:-10] == drive.observations[0, 0, 10:-10, 10:-10, None]).all()


def test_observations_laps_and_caption_may_be_left_out(oval: Track, drive: Drive) -> None:
    bare = replace(drive, observations=None, laps=None, caption="")
    assert next(film_frames(oval, bare)).shape == (film.HEIGHT, film.WIDTH, 3)


def test_steered_wheels_and_car_are_drawn(oval: Track) -> None:
    scene, pose = Scene.of(oval), np.array(oval.pose_at(1.0))
    straight, turned = (ChaseView(scene, 640, 360).render(pose, a) for a in (0.0, 0.5))
    changed = (straight != turned).any(axis=2)
    assert 50 < changed.sum() < 5000
    orange = (straight[..., 0] > 200) & (straight[..., 2] < 80)
    rows, columns = np.nonzero(orange)
    assert columns.mean() == pytest.approx(320.0, abs=15.0)
    assert 180.0 < rows.mean() < 300.0


def test_viewer_stays_inside_low_walls(oval: Track) -> None:
    track = replace(oval, appearance=APPEARANCES["training_2018"])
    scene = Scene.of(track)
    corner = np.array([scene.origin[0] + 0.3, scene.origin[1] + 0.3, 0.7])
    assert ChaseView(scene, 320, 180).render(corner, 0.0).shape == (180, 320, 3)


@pytest.mark.parametrize(("name", "size"), [("lap.mp4", (1280, 720)), ("lap.gif", (640, 360))])
def test_film_can_be_played(
    oval: Track, drive: Drive, tmp_path: Path, name: str, size: tuple[int, int]
) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / name
    record_lap(path, oval, drive)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
        assert (stream.width, stream.height) == size
        if name.endswith("mp4"):
            assert stream.codec_context.name == "h264"
            assert stream.codec_context.pix_fmt == "yuv420p"
            assert float(stream.average_rate) == 15.0
    assert len(frames) == STEPS + 15
    first = next(film_frames(oval, drive))[:: 1280 // size[0], :: 1280 // size[0]]
    assert np.abs(frames[0].astype(float) - first).mean() < 8.0


def test_unfinished_films_leave_nothing_behind(
    oval: Track, drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av")
    path = tmp_path / "lap.mp4"
    path.write_bytes(b"the film before")

    def interrupted(*args: object) -> Iterator[np.ndarray]:
        yield np.zeros((film.HEIGHT, film.WIDTH, 3), dtype=np.uint8)
        raise KeyboardInterrupt

    monkeypatch.setattr(film, "film_frames", interrupted)
    with pytest.raises(KeyboardInterrupt):
        record_lap(path, oval, drive)
    assert [p.name for p in tmp_path.iterdir()] == ["lap.mp4"]
    assert path.read_bytes() == b"the film before"


def test_wrong_ending_and_missing_library_are_named(
    oval: Track, drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"\.mp4 or \.gif, not as 'lap\.avi'"):
        record_lap(tmp_path / "lap.avi", oval, drive)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match=r"pip install 'deepracer-lab\[train\]'"):
        record_lap(tmp_path / "lap.mp4", oval, drive)
