"""Finding, listing, importing and saving tracks."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from deepracer_car.errors import TrackError
from deepracer_sim.track import Track
from deepracer_sim.track_generator import generate_layout
from deepracer_sim.track_layout import read_layout
from deepracer_sim.track_library import (
    BUILTIN_FOLDER,
    builtin_names,
    import_track,
    list_tracks,
    load_track,
    save_layout,
)


def rows_of(track: Track) -> np.ndarray:
    return np.hstack([track.center, track.inner, track.outer])


@pytest.fixture
def community_file(tmp_path: Path) -> Path:
    """A community-style file outside of the home, with one waypoint twice."""
    rows = rows_of(load_track("reinvent_base"))
    file = tmp_path / "downloads" / "my_track.npy"
    file.parent.mkdir()
    np.save(file, np.insert(rows, 7, rows[7], axis=0))
    return file


def test_every_builtin_track_loads_and_is_listed(tmp_path: Path) -> None:
    names = builtin_names()
    assert len(names) >= 14
    infos = list_tracks(tmp_path)
    assert [info.name for info in infos] == names
    for info in infos:
        track = load_track(info.name, tmp_path)
        assert (info.error, info.source) == ("", "built-in")
        assert (info.title, info.length, info.width) == (track.title, track.length, track.width)
        assert info.direction == track.direction
        assert track.closed
        assert track.name == info.name
        assert track.title != track.name, "a built-in has a title for people"
    assert {info.direction for info in infos} == {"ccw", "cw"}


def test_builtin_layouts_are_compact() -> None:
    for name in builtin_names():
        layout = read_layout(BUILTIN_FOLDER / f"{name}.yaml")
        waypoints = len(load_track(name).center)
        assert 3 * len(layout.corners) < 0.8 * waypoints, name
        assert len(layout.corners) <= 30, name
        assert all(value == round(value, 2) for corner in layout.corners for value in corner), name


def test_the_road_of_every_builtin_track_is_evenly_wide_and_lies_around_its_centre_line() -> None:
    for name in builtin_names():
        track = load_track(name)
        half = track.width / 2
        for side in (0.0, 0.9 * half, -0.9 * half):
            points = [track.pose_at(d, side)[:2] for d in np.arange(0.0, track.length, 0.3)]
            assert track.on_road(np.array(points)).all(), name
        assert track.widths.min() > track.widths.max() - 0.05, name


def test_an_unknown_name_suggests_a_near_one(tmp_path: Path) -> None:
    with pytest.raises(TrackError, match=r"Did you mean 'reinvent_base'\?.*deepracer track list"):
        load_track("re_invent_base", tmp_path)
    with pytest.raises(TrackError, match=r"no track '\.\./\.\./etc/passwd'"):
        load_track("../../etc/passwd", tmp_path)


def test_import_keeps_indices_and_the_track_loads_by_name(
    community_file: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    file = import_track(community_file, home=home)
    assert file == home / "tracks" / "my_track.npy"
    assert np.array_equal(np.load(file), np.load(community_file))
    assert np.array_equal(rows_of(load_track("my_track", home)), np.load(community_file))
    assert rows_of(load_track(str(file))).shape == (120, 6)
    info = next(info for info in list_tracks(home) if info.name == "my_track")
    assert info.source == "user"
    assert [entry.name for entry in file.parent.iterdir()] == ["my_track.npy"]
    with pytest.raises(TrackError, match="Did you mean 'my_track'"):
        load_track("mytrack", home)


def test_the_working_directory_is_the_default_home(
    community_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    import_track(community_file, name="here")
    assert (tmp_path / "tracks" / "here.npy").is_file()
    assert load_track("here").length == pytest.approx(load_track("reinvent_base").length)


def test_import_closes_a_loop_that_stops_short(community_file: Path, tmp_path: Path) -> None:
    rows = np.load(community_file)
    np.save(community_file, rows[:-1])
    assert np.array_equal(np.load(import_track(community_file, home=tmp_path)), rows)


def test_a_taken_name_is_only_replaced_by_force(community_file: Path, tmp_path: Path) -> None:
    first = import_track(community_file, home=tmp_path).read_bytes()
    shorter = np.load(community_file)[::2]
    np.save(community_file, shorter)
    with pytest.raises(TrackError, match=r"'my_track' already.*--force"):
        import_track(community_file, home=tmp_path)
    assert (tmp_path / "tracks" / "my_track.npy").read_bytes() == first
    import_track(community_file, home=tmp_path, force=True)
    assert np.array_equal(np.load(tmp_path / "tracks" / "my_track.npy")[:-1], shorter)
    with pytest.raises(TrackError, match="'Oval_track' already"):
        import_track(community_file, name="Oval_track", home=tmp_path)


def test_a_users_track_goes_before_a_builtin_of_that_name(
    community_file: Path, tmp_path: Path
) -> None:
    import_track(community_file, name="Oval_track", home=tmp_path, force=True)
    assert load_track("Oval_track", tmp_path).length == pytest.approx(17.7, abs=0.1)
    assert load_track("Oval_track", tmp_path / "other").length == pytest.approx(19.5, abs=0.1)


@pytest.mark.parametrize("name", ["", "a/b", "../up", ".hidden", "a b", "x.npy"])
def test_a_name_must_be_plain(name: str, community_file: Path, tmp_path: Path) -> None:
    with pytest.raises(TrackError, match="cannot be the name of a track"):
        import_track(community_file, name=name, home=tmp_path)


def test_import_refuses_what_is_no_track(tmp_path: Path) -> None:
    def refused(write: object, words: str) -> None:
        file = tmp_path / "bad.npy"
        file.write_bytes(write) if isinstance(write, bytes) else np.save(file, write)  # type: ignore[arg-type]
        with pytest.raises(TrackError, match=words):
            import_track(file, home=tmp_path)

    refused(b"", r"bad\.npy is not a NumPy array")
    refused(b"center,inner,outer\n1,2,3\n", r"bad\.npy is not a NumPy array")
    refused(pickle.dumps([1, 2, 3]), "not a NumPy array")
    refused(np.array([{"x": 1}], dtype=object), "not a NumPy array file .* of plain numbers")
    refused(np.zeros((20, 4)), r"shape \(20, 4\)")
    rows = rows_of(load_track("reinvent_base"))
    refused(np.where(rows == rows[5, 0], np.nan, rows), "not finite")
    refused(np.ones((20, 6)), "narrower than 0.2 m")
    with pytest.raises(TrackError, match=r"Cannot read the track file .*none\.npy: No such file"):
        import_track(tmp_path / "none.npy", home=tmp_path)
    with (tmp_path / "many.npy").open("wb") as stream:
        np.savez(stream, rows)
    with pytest.raises(TrackError, match="archive of arrays"):
        import_track(tmp_path / "many.npy", home=tmp_path)
    assert not (tmp_path / "tracks").exists()


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.save(tmp_path / "trap.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(TrackError):
        load_track(str(tmp_path / "trap.npy"))
    assert not (tmp_path / "sprung").exists()


def test_a_broken_file_is_listed_with_its_error(tmp_path: Path) -> None:
    folder = tmp_path / "tracks"
    folder.mkdir()
    (folder / "broken.npy").write_bytes(b"nothing")
    (folder / "notes.txt").write_text("not a track")
    broken = [info for info in list_tracks(tmp_path) if info.source == "user"]
    assert [info.name for info in broken] == ["broken"]
    assert "not a NumPy array" in broken[0].error


def test_a_failed_write_leaves_nothing(
    community_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(stream: object, rows: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full_disk)
    with pytest.raises(TrackError, match=r"Cannot write .*No space left"):
        import_track(community_file, home=tmp_path)
    assert list((tmp_path / "tracks").iterdir()) == []


def test_a_saved_layout_loads_by_name(tmp_path: Path) -> None:
    layout = generate_layout(5)
    assert save_layout(layout, "mine", tmp_path) == tmp_path / "tracks" / "mine.yaml"
    track = load_track("mine", tmp_path)
    assert np.array_equal(rows_of(track), rows_of(layout.track("mine")))
    assert track.title == layout.title
    with pytest.raises(TrackError, match="already"):
        save_layout(layout, "mine", tmp_path)


def test_replacing_a_layout_by_waypoints_leaves_one_track(
    community_file: Path, tmp_path: Path
) -> None:
    save_layout(generate_layout(5), "mine", tmp_path)
    import_track(community_file, name="mine", home=tmp_path, force=True)
    assert [entry.name for entry in (tmp_path / "tracks").iterdir()] == ["mine.npy"]


def test_every_community_track_can_be_imported(community_tracks: Path, tmp_path: Path) -> None:
    files = sorted(community_tracks.glob("*.npy"))
    for file in files:
        rows = np.load(file)
        imported = np.load(import_track(file, home=tmp_path, force=True))
        assert np.array_equal(imported[: len(rows)], rows), file.name
        assert len(imported) - len(rows) in (0, 1), file.name
    infos = [info for info in list_tracks(tmp_path) if info.source == "user"]
    assert len(infos) == len(files)
    assert not [info for info in infos if info.error]
    assert [info.name for info in infos if info.direction == "open"] == ["Straight_track"]
