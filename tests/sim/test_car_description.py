"""The car of Gazebo and rviz is the car of the embedded simulator."""

from __future__ import annotations

import math
import shutil
import subprocess
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

pytest.importorskip("xacro")

import xacro

from deepracer_car.spec import CameraMount, CarSpec
from deepracer_sim.car_mesh import CarMesh
from deepracer_sim.car_stl import TRIANGLE, write_shapes
from deepracer_sim.vehicle import SPEED_LAG, STEERING_LAG

ROOT = Path(__file__).parents[2]
CAR = ROOT / "worlds" / "car"
BRIDGE = ROOT / "ros2_ws" / "src" / "deepracer_sim" / "config" / "bridge.yaml"
SPEC, MOUNT = CarSpec(), CameraMount()
VARIANTS = [
    {"sensors": sensors, "lidar": lidar} for sensors in ("mono", "stereo")
    for lidar in ("false", "true")
]  # fmt: skip
MOVING = {f"{side}_{part}" for side in ("left", "right")
          for part in ("front_wheel", "rear_wheel", "steering_hinge")}  # fmt: skip


def urdf_text(**arguments: str) -> str:
    document = xacro.process_file(str(CAR / "deepracer.urdf.xacro"), mappings=arguments)
    return str(document.toprettyxml(indent=" "))


@cache
def urdf(**arguments: str) -> ElementTree.Element:
    return ElementTree.fromstring(urdf_text(**arguments))


def placed(robot: ElementTree.Element, link: str) -> np.ndarray:
    """Pose of a link in base_link, 4 by 4, all joints at zero."""
    for joint in robot.iter("joint"):
        if joint.find("child").get("link") == link:
            origin = joint.find("origin")
            here = transform(origin.get("xyz", "0 0 0"), origin.get("rpy", "0 0 0"))
            return placed(robot, joint.find("parent").get("link")) @ here
    assert link == "base_link"
    return np.eye(4)


def transform(xyz: str, rpy: str) -> np.ndarray:
    r, p, y = map(float, rpy.split())
    about_x = [[1, 0, 0], [0, math.cos(r), -math.sin(r)], [0, math.sin(r), math.cos(r)]]
    about_y = [[math.cos(p), 0, math.sin(p)], [0, 1, 0], [-math.sin(p), 0, math.cos(p)]]
    about_z = [[math.cos(y), -math.sin(y), 0], [math.sin(y), math.cos(y), 0], [0, 0, 1]]
    result = np.eye(4)
    result[:3, :3] = np.array(about_z) @ about_y @ about_x
    result[:3, 3] = list(map(float, xyz.split()))
    return result


def plugins(robot: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [each for each in robot.iter("plugin") if each.get("name").endswith(f"::{name}")]


def test_dimensions_are_those_of_the_spec() -> None:
    robot = urdf()
    wheels = ("left_front_wheel", "right_front_wheel", "left_rear_wheel", "right_rear_wheel")
    for wheel, (x, y) in zip(wheels, SPEC.wheel_centers, strict=True):
        position = placed(robot, wheel)[:3, 3]
        np.testing.assert_allclose(position, (x, y, SPEC.wheel_radius), atol=1e-9)
        link = robot.find(f"link[@name='{wheel}']")
        assert float(link.find("collision/geometry/sphere").get("radius")) == SPEC.wheel_radius
        surface = robot.find(f"gazebo[@reference='{wheel}']")
        assert float(surface.findtext("mu1")) == float(surface.findtext("mu2")) == SPEC.friction
        limit = robot.find(f"joint[@name='{wheel}_joint']/limit")
        assert float(limit.get("velocity")) == SPEC.max_wheel_speed
    for side in ("left", "right"):
        limit = robot.find(f"joint[@name='{side}_steering_hinge_joint']/limit")
        assert float(limit.get("upper")) == -float(limit.get("lower")) > SPEC.max_steering_angle


def test_masses_are_those_of_the_spec() -> None:
    robot = urdf()
    mass = inertia = 0.0
    for link in robot.iter("link"):
        if (own := link.find("inertial")) is not None:
            m = float(own.find("mass").get("value"))
            x, y, _ = placed(robot, link.get("name"))[:3, 3]
            mass += m
            inertia += m * (x * x + y * y) + float(own.find("inertia").get("izz"))
    assert mass == pytest.approx(SPEC.mass, abs=0.01)
    assert inertia == pytest.approx(SPEC.yaw_inertia, rel=0.03)


def test_camera_is_that_of_the_spec() -> None:
    robot = urdf()
    lens = placed(robot, "camera_optical_frame")
    np.testing.assert_allclose(lens[:3, 3], (MOUNT.x, 0.0, MOUNT.z), atol=1e-9)
    ahead, down = lens[:3, 2], lens[:3, 1]
    np.testing.assert_allclose(
        ahead, (math.cos(MOUNT.pitch), 0.0, -math.sin(MOUNT.pitch)), atol=1e-9
    )
    assert down[2] < 0.0
    camera = robot.find(".//sensor[@type='camera']/camera")
    assert float(camera.findtext("horizontal_fov")) == MOUNT.horizontal_fov
    assert (camera.findtext("image/width"), camera.findtext("image/height")) == ("160", "120")


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_gazebo_has_each_sensor_where_its_frame_is(variant: dict[str, str]) -> None:
    robot = urdf(**variant)
    sensors = list(robot.iter("sensor"))
    assert len(sensors) == {"mono": 1, "stereo": 2}[variant["sensors"]] + (
        variant["lidar"] == "true"
    )
    for sensor in sensors:
        numbers = sensor.findtext("pose").split()
        here = transform(" ".join(numbers[:3]), " ".join(numbers[3:]))
        frame = sensor.findtext("camera/optical_frame_id") or sensor.findtext("gz_frame_id")
        link = frame.replace("_optical_frame", "_link")
        assert robot.find(f"link[@name='{frame}']") is not None
        np.testing.assert_allclose(here, placed(robot, link), atol=1e-9)


def test_the_pair_of_cameras_has_the_originals_base_line() -> None:
    robot = urdf(sensors="stereo", lidar="false")
    left, right = (placed(robot, f"{name}_link") for name in ("camera", "camera_right"))
    np.testing.assert_allclose(left[:3, 3] - right[:3, 3], (0.0, 0.06, 0.0), atol=1e-9)


def test_sensor_system_and_sensors_of_gazebo_agree_on_when_a_frame_is_due() -> None:
    for sensor in urdf(sensors="stereo", lidar="true").iter("sensor"):
        period = 1.0 / float(sensor.findtext("update_rate"))
        # The system counts nanoseconds, the sensor milliseconds; both cut off the rest.
        assert int(period * 1e9) == int(period * 1e3) * 1_000_000
        wanted = 67 if sensor.get("type") == "camera" else 100
        assert int(period * 1e3) == wanted


def test_control_steps_end_when_frames_are_due() -> None:
    pytest.importorskip("rclpy")
    from deepracer_sim.ros.gazebo_world import CONTROL_PERIOD_MS

    rate = float(urdf().findtext(".//sensor[@type='camera']/update_rate"))
    assert int(1e3 / rate) == CONTROL_PERIOD_MS


def test_speed_and_steering_answer_as_in_the_embedded_simulator() -> None:
    robot = urdf()
    moved = 6.5622 + 4.0 * 0.00041226 / SPEC.wheel_radius**2
    for wheel in plugins(robot, "JointController"):
        gain, torque = float(wheel.findtext("p_gain")), float(wheel.findtext("cmd_max"))
        # The force of four wheels per m/s of missing speed.
        force = 4.0 * gain / SPEC.wheel_radius**2
        assert moved / force == pytest.approx(SPEED_LAG, rel=1e-6)
        assert 4.0 * torque / SPEC.wheel_radius / moved == pytest.approx(
            SPEC.friction * 9.81, rel=1e-6
        )
    for hinge in plugins(robot, "JointPositionController"):
        rate = float(hinge.findtext("cmd_max"))
        assert SPEC.max_steering_angle / rate / 2.0 == pytest.approx(STEERING_LAG, rel=0.02)


def test_the_bridge_carries_what_the_car_says_and_hears() -> None:
    robot = urdf(sensors="stereo", lidar="true")
    rows = yaml.safe_load(BRIDGE.read_text())
    carried = {(row["gz_topic_name"], row["direction"]): row["gz_type_name"] for row in rows}
    for kind in ("JointController", "JointPositionController"):
        for plugin in plugins(robot, kind):
            assert carried[plugin.findtext("topic"), "ROS_TO_GZ"] == "gz.msgs.Double"
    for plugin in plugins(robot, "TriggeredPublisher"):
        heard, said = plugin.find("input"), plugin.find("output")
        assert carried[heard.get("topic"), "ROS_TO_GZ"] == heard.get("type")
        assert carried[said.get("topic"), "GZ_TO_ROS"] == said.get("type")
    for sensor in robot.iter("sensor"):
        assert (f"/{sensor.findtext('topic')}", "GZ_TO_ROS") in carried
    odometry, pose = plugins(robot, "OdometryPublisher")
    assert carried[odometry.findtext("odom_topic"), "GZ_TO_ROS"] == "gz.msgs.Odometry"
    assert carried[pose.findtext("tf_topic"), "GZ_TO_ROS"] == "gz.msgs.Pose_V"
    (states,) = plugins(robot, "JointStatePublisher")
    assert carried[states.findtext("topic"), "GZ_TO_ROS"] == "gz.msgs.Model"


def test_the_bridge_uses_the_products_names() -> None:
    pytest.importorskip("rclpy")
    from deepracer_car.ros import topics
    from deepracer_sim.ros.drive_node import command_topic, received_topic

    joints = (*topics.HINGE_JOINTS, *topics.WHEEL_JOINTS)
    wanted = {topics.CLOCK, topics.IMAGE, topics.CAMERA_INFO, topics.RIGHT_IMAGE,
              topics.RIGHT_CAMERA_INFO, topics.SCAN, topics.ODOMETRY, topics.TF,
              topics.JOINT_STATES}  # fmt: skip
    wanted |= {topic(joint) for joint in joints for topic in (command_topic, received_topic)}
    assert {row["ros_topic_name"] for row in yaml.safe_load(BRIDGE.read_text())} == wanted


def test_without_gazebo_there_is_only_what_a_viewer_needs() -> None:
    robot = urdf(gazebo="false")
    assert robot.find("gazebo") is None
    assert robot.find("link[@name='camera_optical_frame']") is not None


@pytest.mark.parametrize(
    ("argument", "message"),
    [("colour", "choose one of orange, black"), ("sensors", "choose mono or stereo")],
)
def test_unknown_values_are_refused(argument: str, message: str) -> None:
    with pytest.raises(xacro.XacroException, match=message):
        urdf_text(**{argument: "pink"})


def test_colour_is_that_of_the_body() -> None:
    colours = {
        name: urdf(colour=name).find("material[@name='body']/color").get("rgba")
        for name in ("orange", "black", "grey", "blue", "red", "white", "purple")
    }
    assert len(set(colours.values())) == 7


def test_shapes_are_those_of_the_mesh(tmp_path: Path) -> None:
    write_shapes(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {path.name for path in (CAR / "meshes").iterdir()} == names
    for name in names:
        assert (CAR / "meshes" / name).read_bytes() == (tmp_path / name).read_bytes(), (
            "run python -m deepracer_sim.car_stl worlds/car/meshes"
        )
    used = {mesh.get("filename") for mesh in urdf().iter("mesh")}
    assert used == {f"package://deepracer_sim/worlds/car/meshes/{name}" for name in names}


def test_shapes_enclose_the_car(tmp_path: Path) -> None:
    write_shapes(tmp_path)
    corners = np.concatenate(
        [
            np.frombuffer((tmp_path / f"{part}.stl").read_bytes()[84:], TRIANGLE)["corners"]
            for part in ("body", "trim", "glass")
        ]
    ).reshape(-1, 3)
    mesh = CarMesh().corners(0.0)
    assert corners[:, 2].max() == pytest.approx(mesh[:, 2].max(), abs=1e-6)
    assert corners[:, 0].max() == pytest.approx(mesh[:, 0].max(), abs=1e-6)
    tyre = np.frombuffer((tmp_path / "tyre.stl").read_bytes()[84:], TRIANGLE)["corners"]
    assert np.hypot(tyre[..., 0], tyre[..., 2]).max() == pytest.approx(SPEC.wheel_radius, abs=1e-6)


@pytest.mark.skipif(shutil.which("check_urdf") is None, reason="liburdfdom-tools not installed")
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_urdf_is_a_tree(variant: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "car.urdf").write_text(urdf_text(**variant))
    checked = subprocess.run(
        ["check_urdf", tmp_path / "car.urdf"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "root Link: base_link has 1 child(ren)" in checked.stdout


@pytest.mark.skipif(shutil.which("ign") is None, reason="sdformat's command line not installed")
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_gazebo_keeps_every_moving_link_and_sensor(variant: dict[str, str], tmp_path: Path) -> None:
    text = urdf_text(**variant)
    (tmp_path / "car.urdf").write_text(text)
    converted = subprocess.run(
        ["ign", "sdf", "-p", tmp_path / "car.urdf"], capture_output=True, text=True, check=False
    )
    assert converted.returncode == 0, converted.stderr
    model = ElementTree.fromstring(converted.stdout).find("model")
    links = {link.get("name"): link for link in model.iter("link")}
    assert set(links) == MOVING | {"base_link"}
    assert float(links["base_link"].findtext("inertial/mass")) == 5.0
    robot = ElementTree.fromstring(text)
    for kind in ("sensor", "plugin"):
        assert len(list(model.iter(kind))) == len(list(robot.iter(kind)))
    for sensor in robot.iter("sensor"):
        kept = links["base_link"].find(f"sensor[@name='{sensor.get('name')}']")
        assert kept.findtext("pose") == sensor.findtext("pose")
    body = links["base_link"].find("collision/surface/friction/ode")
    tyre = links["left_front_wheel"].find("collision/surface/friction/ode")
    assert (body.findtext("mu"), tyre.findtext("mu")) == ("0", "0.5")
