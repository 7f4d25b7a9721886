"""Gazebo worlds as files: found, kept, replaced, refused; and the objects that stand in them."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from generated_world import CROOKED, World, numbers

from deepracer_car.errors import DeepRacerError, SimulatorError, TrackError
from deepracer_sim import world_sdf
from deepracer_sim.placement import Place, spread
from deepracer_sim.scene import Scene
from deepracer_sim.track import Track, track_from_rows
from deepracer_sim.track_generator import generate_layout
from deepracer_sim.track_library import load_track, save_layout
from deepracer_sim.world_sdf import main, with_rate, world_file, write_world

pytestmark = pytest.mark.usefixtures("cache_folder")


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
