"""Every launch file is started; stand-ins play Gazebo, its bridge, rviz, rqt and our own nodes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from stand_ins import Launch

pytest.importorskip("launch_ros", reason="needs the ROS 2 launch packages")
pytest.importorskip("ros2launch", reason="needs the ros2 command")
if "AMENT_PREFIX_PATH" not in os.environ:
    pytest.skip("source the setup file of ROS first", allow_module_level=True)

from ament_index_python import get_packages_with_prefixes

from deepracer_car.ros.node import SIMULATOR_LOST

FOLDER = Path(__file__).parents[2] / "launch"
Start = Callable[..., Launch]
WORLD = ("gz", "create", "parameter_bridge", "drive_node")
MONITORS = ("robot_state_publisher", "static_transform_publisher", "track_node")
ARGUMENTS = {
    "car": ["model:=bundle"],
    "evaluation": ["model:=bundle"],
}


def parameters(call: dict[str, Any]) -> dict[str, Any]:
    """The parameters an executable was given by file."""
    merged: dict[str, Any] = {}
    for text in call["parameters"]:
        merged |= next(iter(yaml.safe_load(text).values()))["ros__parameters"]
    return merged


def own_arguments(call: dict[str, Any]) -> list[str]:
    """The arguments before those of ROS."""
    given = call["arguments"]
    return given[: given.index("--ros-args")] if "--ros-args" in given else given


def remaps(call: dict[str, Any]) -> set[str]:
    given = call["arguments"]
    return {value for flag, value in pairwise(given) if flag == "-r"}


@pytest.mark.parametrize("simulator", ["gazebo", "embedded"])
@pytest.mark.parametrize("file", ["training", "evaluation", "simulator", "car"])
def test_ctrl_c_leaves_no_process(launch: Start, file: str, simulator: str) -> None:
    given = [*ARGUMENTS.get(file, []), *([] if file == "car" else [f"simulator:={simulator}"])]
    launched = launch(file, *given)
    world = WORLD if simulator == "gazebo" else ("simulator_node",)
    expected = {
        "training": (*(WORLD if simulator == "gazebo" else ()), *MONITORS, "trainer_node"),
        "evaluation": (*world, *MONITORS, "car_node", "evaluation_node"),
        "simulator": (*world, *MONITORS, "teleop_node"),
        "car": ("car_node",),
    }
    for name in expected[file]:
        launched.called(name)
    assert launched.interrupt() == 0
    assert launched.left_behind() == []
    assert "process has died" not in launched.output


def test_gazebo_gets_the_world_and_the_car(launch: Start) -> None:
    launched = launch("simulator", "track:=Oval_track", "lidar:=true", "rtf:=0.5")
    server, window = sorted(launched.called("gz", 2), key=lambda call: "-g" in call["arguments"])
    assert server["arguments"] == ["sim", "-s", "-z", "500", "-r", "/worlds/Oval_track.sdf"]
    assert window["arguments"] == ["sim", "-g"]
    [create] = launched.called("create")
    assert own_arguments(create) == [
        *("-world", "deepracer", "-name", "deepracer", "-param", "robot_description"),
        *("-x", "1.5000", "-y", "-0.2500", "-Y", "0.1000"),
    ]
    for call in (server, window, create):
        assert call["environment"]["GZ_PARTITION"] == "deepracer_40"
        assert call["environment"]["ROS_DOMAIN_ID"] == "40"
    [publisher] = launched.called("robot_state_publisher")
    model, shown = (parameters(call)["robot_description"] for call in (create, publisher))
    assert 'name="laser"' in model
    assert "<gazebo" in model
    assert 'name="laser"' in shown
    assert "<gazebo" not in shown
    meshes = "deepracer_sim/worlds/car/meshes"
    folders = server["environment"]["GZ_SIM_RESOURCE_PATH"].split(":")
    assert any(Path(folder, meshes).is_dir() for folder in folders)
    assert f"package://{meshes}/" in model


def test_the_bridge_gets_its_table_and_its_services(launch: Start) -> None:
    [bridge] = launch("simulator").called("parameter_bridge")
    assert own_arguments(bridge) == [
        "/world/deepracer/control@ros_gz_interfaces/srv/ControlWorld",
        "/world/deepracer/set_pose/blocking@ros_gz_interfaces/srv/SetEntityPose",
    ]
    assert Path(parameters(bridge)["config_file"]).is_file()
    assert "/world/deepracer/control:=world/deepracer/control" in remaps(bridge)
    assert "/clock:=clock" in remaps(bridge)


def test_training_stands_still_between_steps_and_shows_no_window(launch: Start) -> None:
    launched = launch("training")
    [server] = launched.called("gz")
    assert server["arguments"] == [
        *("sim", "-s", "-z", "1000000", "--headless-rendering", "/worlds/reinvent_base.sdf"),
    ]
    [trainer] = launched.called("trainer_node")
    assert parameters(trainer)["simulator"] == "gazebo"
    assert Path(parameters(trainer)["folder"], "reward_function.py").is_file()
    assert len(launched.calls("gz")) == 1


def test_every_worker_has_a_domain_and_a_partition(launch: Start) -> None:
    launched = launch("training", "workers:=2", "geometry:=ackermann")
    for name in WORLD:
        calls = launched.called(name, 2)
        places = {
            tuple(call["environment"][key] for key in ("ROS_DOMAIN_ID", "GZ_PARTITION"))
            for call in calls
        }
        assert places == {("40", "deepracer_40"), ("41", "deepracer_41")}
    assert all(parameters(call)["geometry"] == "ackermann" for call in launched.calls("drive_node"))
    [trainer] = launched.called("trainer_node")
    assert parameters(trainer)["workers"] == 2
    assert trainer["environment"]["ROS_DOMAIN_ID"] == "40"
    for name in MONITORS:
        [call] = launched.called(name)
        assert call["environment"]["ROS_DOMAIN_ID"] == "40"


def test_a_namespace_stands_before_everything(launch: Start) -> None:
    launched = launch("training", "namespace:=red", "rviz:=true")
    launched.called("trainer_node")
    for name in (*WORLD, *MONITORS, "rviz2", "trainer_node"):
        [call] = launched.called(name)
        if name in ("gz", "create"):
            assert call["environment"]["GZ_PARTITION"] == "deepracer_40_red"
        else:
            assert {"__ns:=/red", "/tf:=tf", "/tf_static:=tf_static", "/clock:=clock"} <= remaps(
                call
            )


def test_rqt_shows_the_topics_of_the_namespace(launch: Start) -> None:
    launched = launch("monitor", "namespace:=/red/", "rqt:=true")
    [rqt] = launched.called("rqt_gui")
    text = Path(own_arguments(rqt)[1]).read_text()
    assert "'/red/camera/zed/rgb/image_rect_color'" in text
    assert "['/red/training/reward/data']" in text
    assert text.count("'/") == text.count("'/red/")


def test_training_in_process_starts_no_world(launch: Start, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "training.yaml").write_text("track: Bowtie_track\ndirection: cw\n")
    given = ("simulator:=embedded", "model:=mine", "name:=first", "rqt:=true")
    launched = launch("training", *given)
    [trainer] = launched.called("trainer_node")
    assert parameters(trainer) == {
        "folder": str(tmp_path / "mine"),
        "name": "first",
        "simulator": "embedded",
        "track": "Bowtie_track",
        "direction": "cw",
        "workers": 0,
        "restarts": 0,
    }
    [track] = launched.called("track_node")
    assert parameters(track) == {"track": "Bowtie_track", "direction": "cw"}
    [rqt] = launched.called("rqt_gui")
    assert own_arguments(rqt)[0] == "--perspective-file"
    assert Path(own_arguments(rqt)[1]).is_file()
    assert not any(launched.calls(name) for name in (*WORLD, "simulator_node", "rviz2"))


def test_training_with_the_simulator_as_a_node(launch: Start) -> None:
    launched = launch("training", "simulator:=simulator_node", "track:=Oval_track")
    [node] = launched.called("simulator_node")
    assert parameters(node) == {"track": "Oval_track", "direction": "", "lockstep": True}
    [trainer] = launched.called("trainer_node")
    assert parameters(trainer)["simulator"] == "simulator_node"
    assert launched.calls("gz") == []


def test_workers_are_as_many_as_the_files_say(launch: Start, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "training.yaml").write_text("ranks: 2\n")
    launched = launch("training", "simulator:=simulator_node", "model:=mine")
    [trainer] = launched.called("trainer_node")
    assert parameters(trainer)["workers"] == 2
    assert len(launched.called("simulator_node", 2)) == 2


def test_a_track_file_is_named_as_seen_from_the_folder(launch: Start, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "training.yaml").write_text("track: roads/oval.yaml\n")
    launched = launch("training", "simulator:=simulator_node", "model:=mine")
    for name in ("trainer_node", "simulator_node", "track_node"):
        [call] = launched.called(name)
        assert parameters(call)["track"] == str(tmp_path / "mine" / "roads" / "oval.yaml")


def test_evaluation_of_a_run_exports_it_first(launch: Start, bundle: Path) -> None:
    launched = launch("evaluation", "model:=first:3")
    for name in ("car_node", "evaluation_node"):
        [call] = launched.called(name)
        assert parameters(call)["model"] == str(bundle)
    [server] = launched.called("gz")
    assert server["arguments"][-1] == "/worlds/Oval_trackcw.sdf"  # as it was trained


def test_evaluation_lets_the_cars_own_node_decide(launch: Start, tmp_path: Path) -> None:
    launched = launch("evaluation", "model:=bundle", "simulator:=embedded", "laps:=2")
    [car] = launched.called("car_node")
    assert parameters(car)["model"] == str(tmp_path / "bundle")
    assert parameters(car)["reliable_camera"] is True
    assert {"deepracer/servo:=policy/servo", "deepracer/throttle:=policy/throttle"} <= remaps(car)
    [judge] = launched.called("evaluation_node")
    assert parameters(judge) == {
        "model": str(tmp_path / "bundle"),
        "laps": 2,
        "simulator": "simulator_node",
        "track": "Oval_track",
        "direction": "cw",
    }
    [world] = launched.called("simulator_node")
    assert parameters(world)["lockstep"] is True


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("simulator", "gz"),
        ("simulator", "drive_node"),
        ("training", "parameter_bridge"),
        ("training", "create"),
        ("training", "track_node"),
        ("evaluation", "car_node"),
    ],
)
def test_a_launch_fails_with_its_nodes_and_says_which(launch: Start, file: str, name: str) -> None:
    launched = launch(file, *ARGUMENTS.get(file, []), **{name: {"exit": 3}})
    launched.called(name)
    assert launched.process.wait(timeout=60) == 1
    assert launched.left_behind() == []
    shown = "gazebo" if name == "gz" else name
    assert f"'{shown}-" in launched.output
    assert "ended with exit status 3" in launched.output


@pytest.mark.parametrize(
    ("file", "name"), [("training", "trainer_node"), ("evaluation", "evaluation_node")]
)
@pytest.mark.parametrize("status", [0, 1])
def test_a_launch_ends_with_what_it_is_for(
    launch: Start, file: str, name: str, status: int
) -> None:
    plan = {"exit": status, "after": ["gz", "parameter_bridge", "track_node"]}
    launched = launch(file, *ARGUMENTS.get(file, []), **{name: plan})
    launched.called(name)
    assert launched.process.wait(timeout=60) == status
    assert launched.left_behind() == []
    assert (
        "was required: shutting down" if status == 0 else "ended with exit status 1"
    ) in launched.output


def test_a_simulator_that_dies_is_started_anew_as_often_as_wanted(launch: Start) -> None:
    launched = launch("training", "restarts:=2", gz={"exit": 5, "after": ["create"]})
    launched.called("trainer_node")
    assert launched.process.wait(timeout=60) == 1
    assert len(launched.calls("gz")) == 3
    assert len(launched.calls("create")) == 3
    assert "ended with exit status 5 (start number 3)" in launched.output


def test_a_simulator_that_hangs_is_ended_and_started_anew(launch: Start) -> None:
    lost = {"print": f"{SIMULATOR_LOST}: nothing came", "print after": {"simulator_node": 2}}
    launched = launch(
        "training", "simulator:=simulator_node", "workers:=2", "restarts:=1", trainer_node=lost
    )
    launched.called("simulator_node", 4)
    assert launched.output.count("exit code -9") == 2
    assert launched.interrupt() == 0
    assert launched.left_behind() == []


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["trakc:=Oval_track"], "no argument 'trakc'. Did you mean 'track'?"),
        (["simulator:=gazeebo"], "gazeebo"),
        (["workers:=two"], "workers:=two must be a number from 0 up"),
        (["workers:=1.5"], "workers:=1.5 must be a whole number"),
        (["workers:=-1"], "workers:=-1 must be a number from 0 up"),
        (["workers:=63"], "ROS_DOMAIN_ID=40 leaves no domain for worker 62"),
        (["rtf:=-1"], "rtf:=-1 must be a number from 0 up"),
        (["simulator:=embedded", "rtf:=2"], "rtf:=2 means something to simulator:=gazebo only"),
        (["simulator:=embedded", "lidar:=true"], "lidar:=true means something to"),
        (["model:=nowhere"], "nowhere is not a folder"),
        (["track:=nowhere"], "no track is called nowhere"),
        (["headless:=yes"], "yes"),
    ],
)
def test_what_cannot_be_meant_is_refused(launch: Start, given: list[str], complaint: str) -> None:
    launched = launch("training", *given)
    assert launched.process.wait(timeout=60) == 1
    assert complaint in launched.output
    assert launched.calls("trainer_node") == []
    assert launched.left_behind() == []


def test_a_model_that_is_not_there_is_refused(launch: Start) -> None:
    launched = launch("evaluation", "model:=second")
    assert launched.process.wait(timeout=60) == 1
    assert "there is no run 'second'" in launched.output
    assert launched.calls("car_node") == []


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("bin/gz", "There is no program 'gz' on the PATH"),
        ("others/lib/ros_gz_bridge/parameter_bridge", "parameter_bridge"),
        ("others/share/ament_index/resource_index/packages/rviz2", "package 'rviz2' not found"),
    ],
)
def test_what_is_not_installed_is_named_and_leaves_no_process(
    launch: Start, prefixes: list[Path], what: str, complaint: str
) -> None:
    if shutil.which("gz") or {"rviz2", "ros_gz_bridge"} & set(get_packages_with_prefixes()):
        pytest.skip("it is installed here")
    there = prefixes[-1] / what
    hidden = there.with_suffix(".hidden")
    there.rename(hidden)
    try:
        launched = launch("training", "rviz:=true", "workers:=2")
        assert launched.process.wait(timeout=60) == 1
    finally:
        hidden.rename(there)
    assert complaint in launched.output
    assert launched.left_behind() == []


@pytest.mark.parametrize(
    "file", ["training", "evaluation", "simulator", "car", "world", "monitor", "gazebo"]
)
def test_every_argument_is_described(launch: Start, file: str) -> None:
    launched = launch(file.removesuffix(".launch"), "--show-args")
    assert launched.process.wait(timeout=60) == 0
    assert "Arguments (pass arguments as" in launched.output
    assert "no description given" not in launched.output
