"""The simulator node as another process sees it: topics, stamps, lockstep and its own clock."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import numpy as np
import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Float64

from deepracer_car.ros import topics
from deepracer_car.spec import CameraMount, CarSpec
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.ros import messages
from deepracer_sim.ros.link import Link
from deepracer_sim.track_library import load_track
from deepracer_sim.vehicle import FORWARD_SPEED, STEERING

NODE = "deepracer_sim.ros.simulator_node"
TRACK = "reinvent_base"
CAR = np.zeros(1, dtype=np.int64)
PATIENCE = 60.0


class Listener:
    """Commands the node, and keeps every message of every topic in the order it came."""

    def __init__(self) -> None:
        self.link = Link("listener")
        qos = topics.every_message(100)
        self.servo = self.link.publisher(Float64, topics.SERVO, qos)
        self.throttle = self.link.publisher(Float64, topics.THROTTLE, qos)
        self.pose = self.link.publisher(PoseWithCovarianceStamped, topics.INITIAL_POSE, qos)
        self.odometry = self.listen(Odometry, topics.ODOMETRY, topics.latched())
        self.images = self.listen(Image, topics.IMAGE, topics.latched())
        self.clock = self.listen(Clock, topics.CLOCK, qos)
        self.joints = self.listen(JointState, topics.JOINT_STATES, qos)
        self.infos = self.listen(CameraInfo, topics.CAMERA_INFO, qos)

    def listen(self, kind: type, topic: str, qos: object) -> list:
        came: list = []
        self.link.subscription(kind, topic, came.append, qos)
        return came

    def wait_for(self, predicate: Callable[[], object]) -> None:
        self.link.wait_for(predicate, "what the test waits for did not come", PATIENCE)

    def connect(self) -> None:
        """Wait until each hears all of the other."""
        for publisher in (self.servo, self.throttle, self.pose):
            self.wait_for(publisher.get_subscription_count)
        self.wait_for(lambda: self.odometry and self.images)
        while not (self.clock and self.joints and self.infos):
            count = len(self.odometry)
            self.put(0.0, 0.0, 0.0)
            self.wait_for(lambda count=count: len(self.odometry) > count)

    @property
    def step_number(self) -> int:
        return messages.step_number(stamp_of(self.odometry[-1]))

    def put(self, x: float, y: float, yaw: float) -> None:
        self.pose.publish(messages.initial_pose(x, y, yaw))

    def drive(self, steering_angle: float, speed: float) -> None:
        self.servo.publish(Float64(data=steering_angle))
        self.throttle.publish(Float64(data=speed))

    def wait_for_step(self, number: int) -> None:
        """Wait for every topic's message of the end of a step."""
        stamp = messages.step_stamp(number)
        for came in (self.odometry, self.images, self.clock, self.joints, self.infos):
            self.wait_for(lambda came=came: stamp_of(came[-1]) >= stamp)
            assert stamp_of(came[-1]) == stamp


def stamp_of(message: object) -> int:
    is_clock = isinstance(message, Clock)
    return messages.nanoseconds(message.clock if is_clock else message.header.stamp)


@pytest.fixture
def listener(ros_environment: dict[str, str]) -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.link.close()


def test_one_step_per_pair_of_commands_and_none_without(start_node, listener) -> None:
    start_node(NODE, lockstep=True, track=TRACK)
    listener.connect()
    start = listener.step_number
    for _ in range(5):
        listener.servo.publish(Float64(data=0.2))
    listener.put(-1.0, 1.0, 0.5)
    listener.wait_for_step(start + 1)
    for number, speed in enumerate((1.5, 2.0)):
        listener.drive(0.2, speed)
        listener.wait_for_step(start + 2 + number)
    listener.put(1.0, 2.0, 3.0)
    listener.wait_for_step(start + 4)

    embedded = EmbeddedSimulator(load_track(TRACK))
    embedded.place(CAR, np.array([[-1.0, 1.0, 0.5]]), np.zeros(1))
    for speed in (1.5, 2.0):
        embedded.step(np.array([[0.2, speed]]))
    poses = [messages.motion_of(message)[0] for message in listener.odometry]
    np.testing.assert_allclose(poses[-2], embedded.poses[0], atol=1e-12)
    np.testing.assert_allclose(poses[-1], (1.0, 2.0, 3.0), atol=1e-12)
    stamps = [stamp_of(message) for message in listener.odometry]
    assert stamps[-4:] == [messages.step_stamp(start + k) for k in (1, 2, 3, 4)]


def test_every_topic_tells_of_the_same_moment(start_node, listener) -> None:
    start_node(NODE, lockstep=True, track=TRACK)
    listener.connect()
    start = listener.step_number + 1
    listener.put(0.0, 0.0, 0.0)
    for number in range(1, 11):
        listener.wait_for_step(start + number - 1)
        listener.drive(0.3, 1.0)
    listener.wait_for_step(start + 10)

    embedded = EmbeddedSimulator(load_track(TRACK))
    embedded.place(CAR, np.zeros((1, 3)), np.zeros(1))
    rolled = 0.0
    for _ in range(10):
        embedded.step(np.array([[0.3, 1.0]]))
        rolled += embedded.speeds[0] / 15.0
    (state,) = embedded.states
    image, odometry, joints = listener.images[-1], listener.odometry[-1], listener.joints[-1]
    assert bytes(image.data) == embedded.frames().tobytes()
    assert (image.encoding, image.width, image.height) == ("mono8", 160, 120)
    assert image.header.frame_id == "camera_optical_frame"
    assert (odometry.header.frame_id, odometry.child_frame_id) == ("odom", "base_link")
    twist = odometry.twist.twist
    velocity = twist.linear.x, twist.linear.y, twist.angular.z
    np.testing.assert_allclose(velocity, state[FORWARD_SPEED:STEERING])
    angles = dict(zip(joints.name, joints.position, strict=True))
    for hinge in ("left_steering_hinge_joint", "right_steering_hinge_joint"):
        assert angles.pop(hinge) == pytest.approx(state[STEERING])
    assert len(angles) == 4
    np.testing.assert_allclose(list(angles.values()), rolled / CarSpec().wheel_radius, rtol=1e-6)


def test_step_stamps_are_whole_nanoseconds_that_do_not_drift() -> None:
    assert messages.step_stamp(2) == 133_333_333
    assert messages.step_stamp(15 * 3600) == 3600 * 10**9
    assert [messages.step_number(messages.step_stamp(k)) for k in range(1000)] == [*range(1000)]


def test_the_camera_info_is_that_of_the_camera(start_node, listener) -> None:
    start_node(NODE, lockstep=True, track=TRACK)
    listener.connect()
    info = listener.infos[-1]
    focal, middle, row = info.k[0], info.k[2], info.k[5]
    left_edge, right_edge = np.arctan((-0.5 - middle) / focal), np.arctan((159.5 - middle) / focal)
    assert right_edge - left_edge == pytest.approx(CameraMount().horizontal_fov)
    assert right_edge == pytest.approx(-left_edge)
    assert (row, info.k[4]) == (59.5, focal)
    np.testing.assert_array_equal(np.reshape(info.p, (3, 4))[:, :3], np.reshape(info.k, (3, 3)))


def test_without_lockstep_time_runs_and_the_last_command_holds(start_node, listener) -> None:
    start_node(NODE, rtf=20.0, track=TRACK)
    listener.connect()
    listener.drive(0.0, 1.0)
    listener.wait_for(lambda: messages.motion_of(listener.odometry[-1])[1] > 0.9)
    stamps = [stamp_of(message) for message in listener.odometry]
    assert stamps == [messages.step_stamp(messages.step_number(stamp)) for stamp in stamps]
    assert stamps == sorted(set(stamps))


def test_what_is_no_command_and_no_place_is_refused(start_node, listener) -> None:
    node = start_node(NODE, lockstep=True, track=TRACK)
    listener.connect()
    start = listener.step_number
    listener.servo.publish(Float64(data=float("nan")))
    elsewhere = messages.initial_pose(50.0, 50.0, 0.0)
    elsewhere.header.frame_id = "base_link"
    listener.pose.publish(elsewhere)
    listener.drive(0.1, 1.0)
    listener.wait_for_step(start + 1)
    listener.put(1.0, 2.0, 0.0)
    listener.wait_for_step(start + 2)
    assert abs(messages.motion_of(listener.odometry[-2])[0]).max() < 10.0
    node.send_signal(signal.SIGINT)
    _, told = node.communicate(timeout=PATIENCE)
    assert node.returncode == 0
    assert "nan is no command" in told
    assert "frame 'base_link'" in told


@pytest.mark.parametrize(
    ("parameter", "reason"),
    [
        ({"track": "reinvent_bas"}, "Did you mean 'reinvent_base'?"),
        ({"direction": "left"}, "direction is 'left'; use cw, ccw or nothing."),
        ({"rtf": -1.0}, "rtf is -1; use a number above 0."),
    ],
)
def test_a_wrong_parameter_ends_the_node_with_the_reason(start_node, parameter, reason) -> None:
    node = start_node(NODE, **parameter)
    _, told = node.communicate(timeout=PATIENCE)
    assert node.returncode == 1
    assert reason in told
