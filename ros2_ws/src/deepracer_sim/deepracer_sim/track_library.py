"""Tracks by name: the built-in ones, and those of the user in the folder ``tracks``."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from deepracer_car.errors import TrackError, did_you_mean
from deepracer_sim.track import Floats, Track, track_from_rows
from deepracer_sim.track_layout import TrackLayout, read_layout

BUILTIN_FOLDER = Path(__file__).with_name("tracks")
SUFFIXES = (".npy", ".yaml")


@dataclass(frozen=True)
class TrackInfo:
    """One line of the list of tracks.

    Attributes:
        length, width: metres; width is the mean.
        direction: the way it is driven; ``open`` for a road that is no loop.
        path: the file it was read from.
        error: why the file cannot be used; then the measures are 0.
    """

    name: str
    source: Literal["built-in", "user"]
    path: Path
    title: str = ""
    length: float = 0.0
    width: float = 0.0
    direction: Literal["ccw", "cw", "open"] = "ccw"
    error: str = ""


def builtin_names() -> list[str]:
    """Names of the tracks that come with the package, sorted."""
    return _names(BUILTIN_FOLDER)


def load_track(name_or_path: str | Path, home: Path | None = None) -> Track:
    """Load a track by name or path.

    Args:
        name_or_path: a built-in name, the name of a file in ``home / "tracks"``, or a path that
            ends with ``.npy`` or ``.yaml``. The user's track goes before a built-in of that name.
        home: folder that holds the user's ``tracks``; None: the working directory.

    Raises:
        TrackError: there is no such track, or its file cannot be used.
    """
    return read_track(find_track(name_or_path, home))


def find_track(name_or_path: str | Path, home: Path | None = None) -> Path:
    """The file that `load_track` reads.

    Raises:
        TrackError: there is no such track.
    """
    path = Path(name_or_path)
    if path.suffix.lower() in SUFFIXES:
        return path
    for folder in (_user_folder(home), BUILTIN_FOLDER):
        for suffix in SUFFIXES:
            if path.parent == Path() and (file := folder / f"{path}{suffix}").is_file():
                return file
    known = builtin_names() + _names(_user_folder(home))
    raise TrackError(
        f"There is no track '{name_or_path}'.{did_you_mean(str(name_or_path), known)} "
        "`deepracer track list` shows the names; a path must end with .npy or .yaml."
    )


def list_tracks(home: Path | None = None) -> list[TrackInfo]:
    """The built-in tracks and those in ``home / "tracks"``; unreadable ones with their error."""
    folders: list[tuple[Path, Literal["built-in", "user"]]] = [
        (BUILTIN_FOLDER, "built-in"),
        (_user_folder(home), "user"),
    ]
    return [_info(path, source) for folder, source in folders for path in _files(folder)]


def read_track(path: Path) -> Track:
    """Read a track file: a layout (.yaml) or community waypoints (.npy).

    Raises:
        TrackError: the file cannot be read or used; the message says why.
    """
    if path.suffix.lower() == ".yaml":
        return read_layout(path).track(path.stem)
    return track_from_rows(_read_rows(path), path.stem)


def import_track(
    file: Path, name: str | None = None, home: Path | None = None, force: bool = False
) -> Path:
    """Check a community track file and copy it into ``home / "tracks"``.

    A loop that stops just short of its first waypoint is closed. Nothing else changes: repeated
    waypoints stay, so that indices mean what they mean to other racers.

    Args:
        file: ``.npy`` array of (N, 6): centre x, y, inner x, y, outer x, y, metres.
        name: what to call it; None: the name of the file.
        home: folder that holds the user's ``tracks``; None: the working directory.
        force: replace a track of that name.

    Returns:
        The new file.

    Raises:
        TrackError: the file cannot be used, or the name is taken or not a plain name.
    """
    name = file.stem if name is None else name
    track = track_from_rows(_read_rows(file), name)
    rows = np.hstack([track.center, track.inner, track.outer])

    def write(part: Path) -> None:
        with part.open("wb") as stream:
            np.save(stream, rows, allow_pickle=False)

    return _store(name, ".npy", write, home, force)


def save_layout(
    layout: TrackLayout, name: str, home: Path | None = None, force: bool = False
) -> Path:
    """Write a layout into ``home / "tracks"``, where `load_track` finds it by ``name``.

    Raises:
        TrackError: the layout gives no usable track, or the name is taken or not a plain name.
    """
    layout.track(name)
    text = layout.to_yaml()
    return _store(name, ".yaml", lambda part: _write_text(part, text), home, force)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _store(
    name: str, suffix: str, write: Callable[[Path], None], home: Path | None, force: bool
) -> Path:
    """Let ``write`` fill a temporary file beside the target, then move it into place."""
    if not name or not all(c.isalnum() or c in "_-" for c in name):
        raise TrackError(
            f"'{name}' cannot be the name of a track; use letters, digits, '_' and '-' only."
        )
    folder = _user_folder(home)
    if name in builtin_names() + _names(folder) and not force:
        raise TrackError(
            f"There is a track '{name}' already; choose another name, or use --force to replace it."
        )
    target = folder / f"{name}{suffix}"
    part = folder / f".{name}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(part)
        part.replace(target)
        for other in SUFFIXES:
            if other != suffix:
                target.with_suffix(other).unlink(missing_ok=True)
    except OSError as error:
        raise TrackError(f"Cannot write the track {target}: {error.strerror}.") from error
    finally:
        if part.exists():
            part.unlink()
    return target


def _read_rows(path: Path) -> Floats:
    try:
        with path.open("rb") as stream:
            rows = np.load(stream, allow_pickle=False)
    except OSError as error:
        raise TrackError(f"Cannot read the track file {path}: {error.strerror}.") from error
    except (ValueError, EOFError) as error:
        raise TrackError(
            f"{path} is not a NumPy array file (.npy) of plain numbers; a community track is an "
            "array of N rows and 6 columns."
        ) from error
    if not isinstance(rows, np.ndarray):
        raise TrackError(f"{path} is an archive of arrays (.npz); a track is one array (.npy).")
    return rows


def _info(path: Path, source: Literal["built-in", "user"]) -> TrackInfo:
    try:
        track = read_track(path)
    except TrackError as error:
        return TrackInfo(path.stem, source, path, error=str(error))
    return TrackInfo(
        path.stem,
        source,
        path,
        track.title,
        track.length,
        track.width,
        track.direction if track.closed else "open",
    )


def _user_folder(home: Path | None) -> Path:
    return (home or Path.cwd()) / "tracks"


def _files(folder: Path) -> list[Path]:
    files = [p for p in folder.glob("*") if p.suffix in SUFFIXES and not p.name.startswith(".")]
    return sorted(files, key=lambda path: path.name.lower())


def _names(folder: Path) -> list[str]:
    return [path.stem for path in _files(folder)]
