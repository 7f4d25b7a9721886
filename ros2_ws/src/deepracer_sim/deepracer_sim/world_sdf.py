"""Gazebo worlds: a track as SDF, with the very ground picture that the embedded camera samples.

The worlds of the built-in tracks are in ``worlds/``. They are small: the ground's picture is not
among them. Whoever wants a world asks for it: `world_file` in Python, ``ros2 run deepracer_sim
world_file`` in launch files, ``deepracer track world`` in a shell. All paint the picture from the
track each time, a fifth of a second, so that it can be neither missing nor old. Were it missing all
the same, Gazebo would name the file and show a white ground.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import cv2

from deepracer_car.errors import DeepRacerError, SimulatorError
from deepracer_sim.placement import Place, Pose, check_apart, spread
from deepracer_sim.scene import Scene
from deepracer_sim.track import Track
from deepracer_sim.track_library import BUILTIN_FOLDER, find_track, load_track
from deepracer_sim.world_models import bot_car_model, box_model
from deepracer_sim.world_text import QUAD_MTL, QUAD_OBJ, world_text

SAME_GROUND = 0.01
"""A stored world's ground may differ by so much from the track's, m."""
Objects = int | Sequence[Place]
"""How many, at the default places, or where."""


def world_file(
    track: str | Path,
    *,
    direction: Literal["cw", "ccw"] | None = None,
    rtf: float | None = None,
    boxes: Objects = 0,
    bots: Objects = 0,
    home: Path | None = None,
) -> Path:
    """Put the world of ``track``, ready for Gazebo, into the user's cache.

    A built-in track's world is that of the installed (or the repository's) folder ``worlds``, with
    whatever a person added there; any other is made from the track. World and picture lie in a
    folder of their own, named after their content, so that worlds never disturb each other.

    Args:
        track: a name or path as in `load_track`.
        direction: driven that way; None: as it was drawn. Start bar and objects depend on it.
        rtf: aim for this many simulated seconds per second, 0 for as many as possible; None: 1, or
            what the stored world says.
        boxes: boxes on the road: how many, at the default places, or where.
        bots: standing cars, likewise; after the boxes where both have default places.
        home: folder that holds the user's ``tracks``; None: the working directory.

    Returns:
        The SDF file. The files it refers to lie beside it.

    Raises:
        TrackError: there is no such track, or the objects do not fit on it.
        SimulatorError: a stored world is not of this track, the factor is not usable, or the files
            cannot be written.
    """
    road = load_track(track, home).driven(direction)
    scene = Scene.of(road)
    text = _stored_world(find_track(track, home), scene) or world_text(scene, _picture(road))
    text = with_rate(with_objects(text, road, boxes, bots), rtf)
    picture = _png(scene)
    content = sha256(text.encode() + picture).hexdigest()[:12]
    return _write(_cache() / f"{_plain(road)}-{content}", road, text, picture)


def write_world(
    road: Track,
    folder: Path,
    *,
    rtf: float | None = None,
    boxes: Objects = 0,
    bots: Objects = 0,
    force: bool = False,
) -> Path:
    """Make the world of ``road`` as it is driven, in ``folder``.

    Args:
        road: the track.
        folder: gets ``<name>.sdf`` and the folder ``ground``.
        rtf: see `world_file`.
        boxes: see `world_file`.
        bots: see `world_file`.
        force: replace a world of that name that is not the same.

    Raises:
        TrackError: the objects do not fit on the track.
        SimulatorError: there is another world of that name, or it cannot be written.
    """
    scene = Scene.of(road)
    text = with_rate(with_objects(world_text(scene, _picture(road)), road, boxes, bots), rtf)
    file = folder / f"{_plain(road)}.sdf"
    if not force and file.is_file() and file.read_text(encoding="utf-8") != text:
        raise SimulatorError(
            f"{file} is there already and differs; choose another folder with --out, or use "
            "--force to replace it."
        )
    return _write(folder, road, text, _png(scene))


def with_rate(text: str, rtf: float | None) -> str:
    """A world's ``text`` with another real-time factor; see `world_file`.

    Raises:
        SimulatorError: it is negative or not a number, or the world does not have exactly one.
    """
    if rtf is None:
        return text
    if not isfinite(rtf) or rtf < 0.0:
        raise SimulatorError(
            f"The real-time factor {rtf:g} cannot be used; give 0 (as fast as possible) or more."
        )
    text, count = re.subn(
        r"(<real_time_factor>)[^<]*(</real_time_factor>)", rf"\g<1>{rtf:g}\g<2>", text
    )
    if count != 1:
        raise SimulatorError(
            f"The world has {count} elements <real_time_factor>; it must have one for its speed to "
            "be set."
        )
    return text


def with_objects(text: str, road: Track, boxes: Objects = 0, bots: Objects = 0) -> str:
    """A world's ``text`` with boxes and standing cars on ``road``; see `world_file`.

    Raises:
        TrackError: there are too many, or two are too near to each other.
    """
    counts = [objects if isinstance(objects, int) else 0 for objects in (boxes, bots)]
    default = spread(road, sum(counts)) if min(counts) >= 0 else spread(road, min(counts))
    box_places = default[: counts[0]] if isinstance(boxes, int) else boxes
    bot_places = default[counts[0] :] if isinstance(bots, int) else bots
    box_poses: list[Pose] = [place.on(road) for place in box_places]
    bot_poses: list[Pose] = [place.on(road) for place in bot_places]
    check_apart(box_poses + bot_poses)
    models = [box_model(f"box_{k}", pose) for k, pose in enumerate(box_poses)]
    models += [bot_car_model(f"bot_car_{k}", pose) for k, pose in enumerate(bot_poses)]
    head, end, tail = text.rpartition("\n  </world>")
    return "".join([head, *models, end, tail])


def _stored_world(track: Path, scene: Scene) -> str | None:
    """Text of the world in ``worlds`` of a built-in ``track``, if it is there and fits."""
    if track.parent != BUILTIN_FOLDER:
        return None
    root = Path(__file__).resolve().parents[4]  # of the repository, or of what colcon installed
    folders = root / "worlds", root / "share" / "deepracer_sim" / "worlds"
    file = next((f for f in (d / f"{track.stem}.sdf" for d in folders) if f.is_file()), None)
    if file is None:
        return None
    text = file.read_text(encoding="utf-8")
    size, middle = _ground_of(text, file)
    expected = [origin + side / 2.0 for origin, side in zip(scene.origin, scene.size, strict=True)]
    differences = [abs(a - b) for a, b in zip(size + middle, [*scene.size, *expected], strict=True)]
    if max(differences) > SAME_GROUND:
        raise SimulatorError(
            f"The ground of {file} is not that of the track '{track.stem}'. Make the world anew: "
            f"deepracer track world {track.stem} --force --out {file.parent}"
        )
    return text


def _ground_of(text: str, file: Path) -> tuple[list[float], list[float]]:
    """Size and middle of the ground in the world's ``text``, m."""
    try:
        ground = ElementTree.fromstring(text).find(".//model[@name='ground']//visual")
    except ElementTree.ParseError as error:
        raise SimulatorError(f"The world {file} is not XML: {error}.") from error
    scale = ground.findtext(".//scale") if ground is not None else None
    pose = ground.findtext("pose") if ground is not None else None
    if scale is None or pose is None:
        raise SimulatorError(f"The world {file} has no model 'ground' that shows a scaled mesh.")
    return [float(x) for x in scale.split()[:2]], [float(x) for x in pose.split()[:2]]


def _png(scene: Scene) -> bytes:
    """The ground as seen from above: rows run along -y."""
    _, data = cv2.imencode(".png", cv2.cvtColor(scene.ground[::-1], cv2.COLOR_RGB2BGR))
    return bytes(data)


def _plain(road: Track) -> str:
    """The track's name as a file name that needs no quoting anywhere."""
    return re.sub(r"[^\w-]", "_", road.name, flags=re.ASCII)


def _picture(road: Track) -> str:
    """Where the ground's picture is, seen from the world."""
    return f"ground/{_plain(road)}.png"


def _cache() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "deepracer-lab" / "worlds"


def _write(folder: Path, road: Track, text: str, picture: bytes) -> Path:
    """Write a world and the files it refers to, the world last, each completely or not at all."""
    world = folder / f"{_plain(road)}.sdf"
    files = {
        folder / "ground" / "quad.obj": QUAD_OBJ.encode(),
        folder / "ground" / "quad.mtl": QUAD_MTL.encode(),
        folder / _picture(road): picture,
        world: text.encode(),
    }
    try:
        (folder / "ground").mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            if file.is_file() and file.read_bytes() == content:
                continue
            unfinished = file.with_name(f".{file.name}.{os.getpid()}")
            unfinished.write_bytes(content)
            unfinished.replace(file)
    except OSError as error:
        raise SimulatorError(
            f"Cannot write the world into {folder}: {error.strerror}. XDG_CACHE_HOME names another "
            "folder for what is made on the way; `deepracer track world --out` takes any."
        ) from error
    return world.absolute()


def main(arguments: list[str] | None = None) -> int:
    """Put a world into the user's cache and print its path: the ``world_file`` of launch files.

    Returns:
        0, or 1 after an error, which is told on standard error.
    """
    parser = argparse.ArgumentParser("world_file", description="Print the path of a track's world.")
    parser.add_argument("track", help="name of a track, or path of a track file")
    parser.add_argument("--direction", choices=("cw", "ccw"), help="driven that way")
    parser.add_argument("--rtf", type=float, help="real-time factor; 0: as fast as possible")
    parser.add_argument("--boxes", type=int, default=0, help="boxes on the road")
    parser.add_argument("--bots", type=int, default=0, help="standing cars on the road")
    parser.add_argument(
        "--start", action="store_true", help="print x, y and yaw of the start line in a second line"
    )
    given = vars(parser.parse_args(arguments))
    with_start = given.pop("start")
    try:
        sys.stdout.write(f"{world_file(**given)}\n")
        if with_start:
            road = load_track(given["track"]).driven(given["direction"])
            sys.stdout.write(" ".join(f"{value:.4f}" for value in road.pose_at(0.0)) + "\n")
    except DeepRacerError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
