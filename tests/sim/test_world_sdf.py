"""Gazebo worlds: whole, valid, and to look at the same as what the embedded camera sees."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from generated_world import CROOKED, World, numbers, shown

from deepracer_sim.camera import Camera
from deepracer_sim.camera_reference import psnr
from deepracer_sim.scene import Scene
from deepracer_sim.track import Track
from deepracer_sim.track_library import builtin_names, load_track
from deepracer_sim.world_sdf import world_file, write_world
from deepracer_sim.world_text import world_text

WORLDS = Path(__file__).parents[2] / "worlds"
SPECIFICATIONS = (
    "/usr/share/sdformat*/1.9",
    "/usr/share/gz/sdformat*/1.9",
    "/opt/ros/*/opt/sdformat_vendor/share/gz/sdformat*/1.9",
)

every_track = pytest.mark.parametrize("name", builtin_names())


pytestmark = pytest.mark.usefixtures("cache_folder")


@cache
def scene_of(name: str) -> Scene:
    return Scene.of(load_track(name, home=Path("/nowhere")))


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
