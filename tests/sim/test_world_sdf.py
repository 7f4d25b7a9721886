"""Gazebo worlds: whole, valid, and to look at the same as what the embedded camera sees."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from math import tan
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from deepracer_car.errors import DeepRacerError, SimulatorError, TrackError
from deepracer_car.observation import to_grey
from deepracer_car.spec import CameraMount
from deepracer_sim import world_sdf
from deepracer_sim.camera import Camera
from deepracer_sim.camera_reference import psnr
from deepracer_sim.placement import Place, spread
from deepracer_sim.scene import Scene
from deepracer_sim.track import Track, track_from_rows
from deepracer_sim.track_generator import generate_layout
from deepracer_sim.track_library import builtin_names, load_track, save_layout
from deepracer_sim.world_sdf import main, with_rate, world_file, write_world
from deepracer_sim.world_text import world_text

WORLDS = Path(__file__).parents[2] / "worlds"
SPECIFICATIONS = (
    "/usr/share/sdformat*/1.9",
    "/usr/share/gz/sdformat*/1.9",
    "/opt/ros/*/opt/sdformat_vendor/share/gz/sdformat*/1.9",
)
CROOKED = "reInvent2019_track"
"""A track that looks the same neither mirrored nor turned."""

every_track = pytest.mark.parametrize("name", builtin_names())


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where worlds go; neither the user's own nor the tracks of the working directory matter."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@cache
def scene_of(name: str) -> Scene:
    return Scene.of(load_track(name, home=Path("/nowhere")))


def numbers(node: ElementTree.Element, path: str) -> np.ndarray:
    text = node.findtext(path)
    assert text, f"{path} is missing"
    return np.array(text.split(), dtype=float)


def shown(light: np.ndarray) -> np.ndarray:
    """The bytes that Gazebo's camera gives for linear light."""
    return np.rint(
        255.0 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    )


class World:
    """What a world shows, from its files alone, as the OBJ and SDF formats define it."""

    def __init__(self, file: Path) -> None:
        self.world = ElementTree.parse(file).getroot().find("world")
        assert self.world is not None
        ground = self.world.find("model[@name='ground']//visual")
        assert ground is not None
        picture = cv2.imread(str(file.parent / str(ground.findtext(".//emissive_map"))))
        assert picture is not None
        self.picture = picture[..., ::-1]
        obj = (file.parent / str(ground.findtext(".//uri"))).read_text()
        corners = np.array(re.findall(r"^v (\S+) (\S+) (\S+)", obj, re.M), dtype=float)
        self._uv = np.array(re.findall(r"^vt (\S+) (\S+)", obj, re.M), dtype=float)
        self._corners = corners * numbers(ground, ".//scale") + numbers(ground, "pose")[:3]
        faces = re.findall(r"^f (\d+)/(\d+)/1 (\d+)/(\d+)/1 (\d+)/(\d+)/1", obj, re.M)
        self._faces = np.array(faces, dtype=int).reshape(-1, 3, 2) - 1
        self.sky = shown(numbers(self.world, "scene/background")[:3])
        self.walls = [
            (numbers(wall, "pose")[:3], numbers(wall, ".//size"),
             shown(numbers(wall, ".//emissive")[:3]))
            for wall in self.world.findall("model[@name='walls']//visual")
        ]  # fmt: skip

    def ground(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Colours (N, 3) at points; NaN where there is no ground."""
        colors = np.full((len(x), 3), np.nan)
        rows, columns = self.picture.shape[:2]
        for face in self._faces:
            a, b, c = self._corners[face[:, 0]]
            assert np.cross(b - a, c - a)[2] > 0.0  # seen from above
            share = np.linalg.solve(
                np.array([[a[0], b[0], c[0]], [a[1], b[1], c[1]], [1, 1, 1]]),
                np.stack([x, y, np.ones_like(x)]),
            )
            inside = (share >= 0.0).all(axis=0)
            u, v = self._uv[face[:, 1]].T @ share[:, inside]
            j = np.minimum((u * columns).astype(int), columns - 1)
            i = np.minimum(((1.0 - v) * rows).astype(int), rows - 1)
            colors[inside] = self.picture[i, j]
        return colors

    def render(self, pose: np.ndarray, finer: int = 3) -> np.ndarray:
        """What the stock camera sees, grey, (120, 160), with ``finer`` rays each way per pixel."""
        mount, width, height = CameraMount(), 160 * finer, 120 * finer
        focal = width / 2.0 / tan(mount.horizontal_fov / 2.0)
        right, down = np.meshgrid((np.arange(width) + 0.5 - width / 2) / focal,
                                  (np.arange(height) + 0.5 - height / 2) / focal)  # fmt: skip
        c, s = np.cos(mount.pitch), np.sin(mount.pitch)
        rays = np.stack([c - down * s, -right, -s - down * c]).reshape(3, -1)
        c, s = np.cos(pose[2]), np.sin(pose[2])
        rays[:2] = np.array([[c, -s], [s, c]]) @ rays[:2]
        lens = np.array([pose[0] + c * mount.x, pose[1] + s * mount.x, mount.z])
        colors = np.repeat(self.sky[np.newaxis], rays.shape[1], axis=0)
        with np.errstate(divide="ignore"):
            nearest = np.where(rays[2] < 0.0, -lens[2] / rays[2], np.inf)
            below = np.isfinite(nearest)
            place = lens[:2, None] + nearest[below] * rays[:2, below]
            colors[below] = np.nan_to_num(self.ground(*place), nan=0.0)
            for middle, size, color in self.walls:
                to = [(middle + side * size / 2 - lens)[:, None] / rays for side in (-1, 1)]
                enter, leave = np.minimum(*to).max(axis=0), np.maximum(*to).min(axis=0)
                hit = (enter < leave) & (enter > 0.0) & (enter < nearest)
                colors[hit], nearest[hit] = color, enter[hit]
        grey = to_grey(colors.reshape(height, width, 3).astype(np.uint8)).astype(float)
        return np.rint(grey.reshape(120, finer, 160, finer).mean(axis=(1, 3))).astype(np.uint8)


@every_track
def test_the_stored_world_is_what_the_generator_makes(name: str) -> None:
    text = world_text(scene_of(name), f"ground/{name}.png")
    assert (WORLDS / f"{name}.sdf").read_text(encoding="utf-8") == text, (
        f"make it anew: deepracer track world {name} --force"
    )
    assert len(text) < 6000


def test_the_stored_mesh_is_what_the_generator_makes(oval: Track, tmp_path: Path) -> None:
    made = write_world(oval, tmp_path)
    for file in ("ground/quad.obj", "ground/quad.mtl"):
        assert (WORLDS / file).read_bytes() == (made.parent / file).read_bytes()


def test_every_stored_world_is_of_a_built_in_track() -> None:
    assert {file.stem for file in WORLDS.glob("*.sdf")} == set(builtin_names())


@every_track
def test_a_world_has_what_the_simulation_needs(name: str) -> None:
    root = ElementTree.parse(WORLDS / f"{name}.sdf").getroot()
    world = root.find("world")
    assert root.get("version") == "1.9"
    assert world.get("name") == "deepracer"
    assert numbers(world, "physics/max_step_size") == 0.001
    assert numbers(world, "physics/real_time_factor") == 1.0
    assert {plugin.get("name").rpartition("::")[2] for plugin in world.findall("plugin")} == {
        "Physics",
        "UserCommands",
        "SceneBroadcaster",
        "Sensors",
        "Contact",
    }
    assert world.findtext("plugin/render_engine") == "ogre2"
    assert numbers(world, ".//plane/normal").tolist() == [0.0, 0.0, 1.0]
    assert numbers(world, "model[@name='ground']//mu") == 0.5
    assert world.findtext("scene/shadows") == "false"
    assert all(node.text == "false" for node in world.iter("cast_shadows"))


@pytest.fixture(scope="module")
def specification() -> Path:
    """The folder of the SDF specification, version 1.9."""
    found = [folder for pattern in SPECIFICATIONS for folder in Path("/").glob(pattern[1:])]
    if not found:
        pytest.skip("no SDF specification on this machine")
    return found[0]


def unknown(node: ElementTree.Element, spec: ElementTree.Element, folder: Path) -> list[str]:
    """Elements and attributes below ``node`` that the specification does not have."""
    attributes = {a.get("name") for a in spec.findall("attribute")} | {"version"}
    strange = [f"{node.tag}/@{name}" for name in node.attrib if name not in attributes]
    if spec.find("element[@copy_data]") is not None:
        return strange
    children = {child.get("name"): child for child in spec.findall("element")}
    for include in spec.findall("include"):
        file = folder / str(include.get("filename"))
        if file.is_file():
            included = ElementTree.parse(file).getroot()
            children[included.get("name")] = included
    for child in node:
        if child.tag not in children:
            strange.append(f"{node.tag}/{child.tag}")
        else:
            strange += unknown(child, children[child.tag], folder)
    return strange


def test_a_world_uses_nothing_that_sdf_does_not_have(specification: Path) -> None:
    root_spec = ElementTree.parse(specification / "root.sdf").getroot()
    root = ElementTree.parse(world_file("easy_loop", boxes=2, bots=2, rtf=0.0)).getroot()
    assert unknown(root, root_spec, specification) == []
    ElementTree.SubElement(root.find(".//light"), "cast_shadow")
    assert unknown(root, root_spec, specification) == ["light/cast_shadow"]


@pytest.mark.parametrize("objects", [{}, {"boxes": 6, "bots": 4, "rtf": 0.0}], ids=str)
def test_libsdformat_reads_a_world(objects: dict[str, float]) -> None:
    program = next((p for p in ("gz", "ign") if shutil.which(p)), None)
    if program is None:
        pytest.skip("neither gz nor ign is installed")
    file = world_file("easy_loop", **objects)
    answer = subprocess.run(
        [program, "sdf", "-k", str(file)], capture_output=True, text=True, timeout=60
    )
    assert "Valid." in answer.stdout, answer.stdout + answer.stderr
    assert "Error" not in answer.stdout + answer.stderr.replace("Library error", "")


@pytest.mark.parametrize("name", [CROOKED, "2022_april_open"])
def test_the_mesh_shows_the_ground_where_the_scene_has_it(name: str) -> None:
    world, scene = World(world_file(name)), scene_of(name)
    rng = np.random.default_rng(1)
    rows, columns = scene.ground.shape[:2]
    i, j = rng.integers(rows, size=4000), rng.integers(columns, size=4000)
    x = scene.origin[0] + (j + 0.5) * scene.texel
    y = scene.origin[1] + (i + 0.5) * scene.texel
    np.testing.assert_array_equal(world.ground(x, y), scene.ground[i, j])
    assert np.isnan(world.ground(np.array([x.max() + 1.0]), np.array([0.0]))).all()


def test_lines_and_start_bar_lie_where_the_track_has_them() -> None:
    world, road = World(world_file(CROOKED)), load_track(CROOKED)
    look = road.appearance

    def color(distance: float, lateral: float) -> tuple[int, ...]:
        x, y, _ = road.pose_at(distance, lateral)
        return tuple(world.ground(np.array([x]), np.array([y]))[0].astype(int))

    half = road.width / 2.0
    assert color(0.13, 0.3) == color(0.13, -0.3) == look.border  # the start bar
    assert color(0.13 - 0.2, 0.3) == color(0.13 + 0.2, -0.3) == look.road
    for distance in np.linspace(1.0, road.length - 1.0, 9):
        for side in (1.0, -1.0):
            assert color(distance, side * (half - 0.038)) == look.border
            assert color(distance, side * (half - 0.2)) == look.road
            assert color(distance, side * (half + 0.1)) == look.field


@pytest.mark.parametrize("name", [CROOKED, "Oval_track"])
def test_a_camera_sees_in_the_world_what_the_embedded_camera_sees(name: str) -> None:
    world, scene, road = World(world_file(name)), scene_of(name), load_track(name)
    poses = np.array([road.pose_at(share * road.length, 0.1) for share in (0.0, 0.3, 0.55, 0.8)])
    corner = np.add(scene.origin, scene.size) - 0.6
    poses = np.vstack([poses, [*corner, 0.8], [*np.add(scene.origin, 0.5), -2.0]])
    frames = Camera(scene).render(poses)[:, 0]
    for pose, frame in zip(poses, frames, strict=True):
        assert psnr(world.render(pose), frame) > 35.0, pose


@pytest.mark.parametrize("name", [CROOKED, "Oval_track"])
def test_walls_stand_on_the_edges_of_the_ground(name: str) -> None:
    scene, world = scene_of(name), ElementTree.parse(WORLDS / f"{name}.sdf").getroot()
    walls = {}
    for part in ("visual", "collision"):
        for wall in world.findall(f".//model[@name='walls']//{part}"):
            middle, size = numbers(wall, "pose")[:3], numbers(wall, ".//size")
            side = str(wall.get("name")).removesuffix("_collision")
            walls[side, part] = np.concatenate([middle - size / 2, middle + size / 2])
    assert len(walls) == 8
    low, high = np.array(scene.origin), np.add(scene.origin, scene.size)
    for k, axis in enumerate("xy"):
        for part in ("visual", "collision"):
            bottom, top = walls[f"low_{axis}", part], walls[f"high_{axis}", part]
            assert bottom[3 + k] == pytest.approx(low[k], abs=3e-4)
            assert top[k] == pytest.approx(high[k], abs=3e-4)
            assert bottom[3 + k] - bottom[k] == pytest.approx(0.1)
            for wall in (bottom, top):
                assert wall[[2, 5]].tolist() == pytest.approx([0.0, scene.wall_height])
                assert wall[1 - k] <= low[1 - k] + 3e-4
                assert wall[4 - k] >= high[1 - k] - 3e-4
    assert all((color == scene.wall).all() for color in wall_colors(world))


def wall_colors(world: ElementTree.Element) -> list[np.ndarray]:
    walls = world.findall(".//model[@name='walls']//visual")
    return [shown(numbers(wall, ".//emissive")[:3]) for wall in walls]


def test_the_sky_has_the_color_of_the_scene(oval: Track, tmp_path: Path) -> None:
    look = replace(oval.appearance, sky=(10, 120, 250), wall=(5, 60, 255), wall_height=0.4)
    world = World(write_world(replace(oval, appearance=look), tmp_path))
    assert world.sky.tolist() == [10, 120, 250]
    assert {tuple(color) for *_, color in world.walls} == {(5, 60, 255)}


def test_all_files_a_world_refers_to_lie_beside_it(cache_folder: Path) -> None:
    file = world_file("Bowtie_track")
    assert cache_folder in file.parents
    text = file.read_text()
    files = re.findall(r"<(?:uri|emissive_map)>([^<]+)<", text)
    assert set(files) == {"ground/quad.obj", "ground/Bowtie_track.png"}
    assert all((file.parent / name).is_file() for name in files)
    material = re.findall(r"^mtllib (\S+)", (file.parent / "ground/quad.obj").read_text(), re.M)
    assert [(file.parent / "ground" / name).is_file() for name in material] == [True]


def test_a_damaged_or_missing_picture_is_painted_again() -> None:
    file = world_file("Bowtie_track")
    picture = file.parent / "ground" / "Bowtie_track.png"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:1000])
    assert world_file("Bowtie_track") == file
    assert picture.read_bytes() == whole
    picture.unlink()
    world_file("Bowtie_track")
    assert picture.read_bytes() == whole


def test_worlds_with_different_content_do_not_disturb_each_other() -> None:
    files = {
        world_file("Bowtie_track"),
        world_file("Bowtie_track", rtf=0.0),
        world_file("Bowtie_track", boxes=1),
        world_file("Bowtie_track", bots=1),
    }
    assert len(files) == 4


def test_the_start_bar_follows_the_driving_direction() -> None:
    forward, backward = world_file(CROOKED), world_file(CROOKED, direction="cw")
    assert forward != backward
    assert forward.read_text() == backward.read_text()
    road = load_track(CROOKED).driven("cw")
    x, y, _ = road.pose_at(0.13, 0.3)
    place = np.array([x]), np.array([y])
    assert tuple(World(backward).ground(*place)[0]) == road.appearance.border
    assert tuple(World(forward).ground(*place)[0]) == road.appearance.road


def test_imported_and_generated_tracks_become_worlds(oval: Track, tmp_path: Path) -> None:
    home = tmp_path / "home"
    save_layout(generate_layout(5, 20.0, 0.8), "made", home=home)
    rows = np.hstack([oval.center, oval.inner, oval.outer])
    np.save(home / "tracks" / "easy_loop.npy", rows)
    np.save(tmp_path / "an & odd -- name.npy", rows)
    for track in ("made", "easy_loop", tmp_path / "an & odd -- name.npy"):
        file = world_file(track, home=home)
        road = load_track(track, home)
        scene = Scene.of(road)
        x, y, _ = road.pose_at(1.0, 0.2)
        world = World(file)
        assert tuple(world.ground(np.array([x]), np.array([y]))[0]) == road.appearance.road
        assert world.picture.shape == scene.ground.shape
    assert file.name == "an___odd_--_name.sdf"


def test_what_a_person_added_to_a_stored_world_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(world_sdf, "__file__", str(tmp_path / "a/b/c/d/world_sdf.py"))
    folder = tmp_path / "share" / "deepracer_sim" / "worlds"
    text = write_world(load_track("Oval_track"), folder).read_text()
    stored = folder / "Oval_track.sdf"
    stored.write_text(text.replace("  </world>", '    <model name="tree"/>\n  </world>'))
    made = world_file("Oval_track", rtf=2.5, boxes=1).read_text()
    assert [m.get("name") for m in ElementTree.fromstring(made).iter("model")] == [
        "ground",
        "walls",
        "tree",
        "box_0",
    ]
    assert "<real_time_factor>2.5</real_time_factor>" in made
    stored.write_text(text.replace("<scale>12.2 ", "<scale>12.5 "))
    with pytest.raises(SimulatorError, match=r"not that of the track 'Oval_track'.*--force --out"):
        world_file("Oval_track")
    stored.write_text(text.replace("<scale>", "<size>").replace("</scale>", "</size>"))
    with pytest.raises(SimulatorError, match="no model 'ground' that shows a scaled mesh"):
        world_file("Oval_track")
    stored.write_text("<sdf>")
    with pytest.raises(SimulatorError, match="is not XML"):
        world_file("Oval_track")


def test_a_world_that_differs_is_replaced_only_by_force(oval: Track, tmp_path: Path) -> None:
    file = write_world(oval, tmp_path)
    assert write_world(oval, tmp_path) == file
    with pytest.raises(SimulatorError, match="there already and differs"):
        write_world(oval, tmp_path, boxes=1)
    assert "box_0" not in file.read_text()
    write_world(oval, tmp_path, boxes=1, force=True)
    assert "box_0" in file.read_text()


def test_a_folder_that_cannot_be_written_is_named(oval: Track, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SimulatorError, match=r"Cannot write the world into .*file.*XDG_CACHE_HOME"):
        write_world(oval, tmp_path / "file" / "worlds")


@pytest.mark.parametrize("rtf", [-1.0, np.nan, np.inf])
def test_an_impossible_rate_is_refused(rtf: float) -> None:
    with pytest.raises(SimulatorError, match=r"real-time factor .* cannot be used"):
        with_rate("<real_time_factor>1</real_time_factor>", rtf)


def test_the_rate_of_a_world_without_one_cannot_be_set() -> None:
    with pytest.raises(SimulatorError, match="has 0 elements <real_time_factor>"):
        with_rate("<world/>", 1.0)


def models(file: Path, start: str) -> list[ElementTree.Element]:
    world = ElementTree.parse(file).getroot().find("world")
    return [m for m in world.findall("model") if str(m.get("name")).startswith(start)]


def test_boxes_have_size_and_mass_and_stand_on_the_road_in_their_lanes() -> None:
    road = load_track(CROOKED)
    boxes = models(world_file(CROOKED, boxes=6), "box")
    assert [box.get("name") for box in boxes] == [f"box_{k}" for k in range(6)]
    along = np.linspace(2.0, road.length - 1.0, 6)
    for k, box in enumerate(boxes):
        assert box.find("static") is None
        assert {tuple(numbers(node, ".")) for node in box.iter("size")} == {(0.4, 0.3, 0.25)}
        assert numbers(box, ".//mass") == 1.0
        a, b, c = numbers(box, ".//ixx"), numbers(box, ".//iyy"), numbers(box, ".//izz")
        assert (12 * a, 12 * b, 12 * c) == pytest.approx((0.1525, 0.2225, 0.25), abs=1e-4)
        x, y, z, _, _, yaw = numbers(box, "pose")
        assert z == 0.125
        place, lateral, _ = road.project(np.array([[x, y]]))
        assert place[0] == pytest.approx(along[k], abs=0.05)
        assert lateral[0] == pytest.approx((-1) ** k * road.width / 4.0, abs=0.02)
        assert np.cos(yaw - road.pose_at(along[k])[2]) == pytest.approx(1.0, abs=1e-4)


def test_lanes_and_places_follow_the_driving_direction() -> None:
    road = load_track(CROOKED).driven("cw")
    box = models(world_file(CROOKED, direction="cw", boxes=[Place(0.25, "inner")]), "box")[0]
    x, y, *_ = numbers(box, "pose")
    along, lateral, _ = road.project(np.array([[x, y]]))
    assert along[0] == pytest.approx(0.25 * road.length, abs=0.05)
    assert lateral[0] == pytest.approx(-road.width / 4.0, abs=0.02)


def test_bot_cars_stand_on_their_wheels_and_share_the_road_with_boxes() -> None:
    file = world_file(CROOKED, boxes=2, bots=3)
    boxes, bots = models(file, "box"), models(file, "bot_car")
    assert (len(boxes), len(bots)) == (2, 3)
    for bot in bots:
        assert bot.findtext("static") == "true"
        assert numbers(bot, "pose")[2] == 0.0
        wheels = [v for v in bot.iter("visual") if str(v.get("name")).startswith("wheel")]
        assert len(wheels) == 4
        assert all(numbers(w, "pose")[2] == numbers(w, ".//radius") for w in wheels)
    spots = np.array([numbers(m, "pose")[:2] for m in boxes + bots])
    gaps = np.hypot(*(spots[:, None] - spots[None]).transpose(2, 0, 1))
    assert gaps[~np.eye(5, dtype=bool)].min() > 1.0


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ({"boxes": -1}, "-1 objects cannot stand"),
        ({"boxes": 5, "bots": -1}, "-1 objects cannot stand"),
        ({"boxes": 20, "bots": 20}, r"40 objects cannot stand on 'Oval_track' \(19.6 m long\)"),
        (
            {"boxes": [Place(0.3, "inner")], "bots": [Place(0.31, "inner")]},
            "Two objects stand 0.1. m apart",
        ),
    ],
    ids=str,
)
def test_objects_that_do_not_fit_are_refused(objects: dict, message: str) -> None:
    with pytest.raises(TrackError, match=message):
        world_file("Oval_track", **objects)


@pytest.mark.parametrize("text", ["0.25", "0.25,middle", "x,inner", "1.5,inner", "nan,1", ""])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(TrackError, match="is no place on a track"):
        Place.parse(text)


def test_places_are_read_in_words_and_in_the_numbers_of_the_racers() -> None:
    assert Place.parse("0.25,inner") == Place.parse(" 0.25 , 1") == Place(0.25, "inner")
    assert Place.parse("1,outer") == Place.parse("1,-1") == Place(1.0, "outer")


def test_a_track_that_is_too_short_holds_no_objects(oval: Track) -> None:
    tiny = track_from_rows(np.hstack([oval.center, oval.inner, oval.outer]) * 0.28, "tiny")
    assert spread(oval, 1)[0].fraction == pytest.approx(2.0 / oval.length)
    with pytest.raises(TrackError, match="0 to 1 can"):
        spread(tiny, 2)


def test_the_program_prints_the_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["Oval_track", "--rtf", "0", "--boxes", "1", "--direction", "cw"]) == 0
    told = capsys.readouterr()
    assert Path(told.out.strip()) == world_file("Oval_track", rtf=0.0, boxes=1, direction="cw")
    assert told.err == ""


def test_the_program_tells_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["Ovl_track"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: There is no track 'Ovl_track'. Did you mean 'Oval_track'?")
    with pytest.raises(DeepRacerError):
        world_file("Ovl_track")
