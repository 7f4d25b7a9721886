"""For machines without Gazebo: a process that behaves like Gazebo and its bridge.

It does what is asked later than it says so, keeps its pace in milliseconds, moves a car without
stopping it, hears no command before it is connected, confirms what it hears, and has begun to run.
The car moves like the embedded one. Services have stand-ins: see `stand_in`.
"""

from __future__ import annotations

import sys
import time
import types
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from nav_msgs.srv import SetMap
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import Empty, Float64

from deepracer_car.ros import topics
from deepracer_car.ros.images import to_message
from deepracer_car.ros.node import spin
from deepracer_car.spec import CarSpec
from deepracer_sim.camera import Camera
from deepracer_sim.ros import messages
from deepracer_sim.ros.drive_node import command_topic, received_topic
from deepracer_sim.ros.gazebo_world import CONTROL_SERVICE, POSE_SERVICE
from deepracer_sim.scene import Scene
from deepracer_sim.track_library import load_track
from deepracer_sim.vehicle import FORWARD_SPEED, STATE_SIZE, STEERING, YAW, Vehicle

TRACK = "reinvent_base"
STEP = 1_000_000
JOINTS = (*topics.HINGE_JOINTS, *topics.WHEEL_JOINTS)


class FakeGazebo(Node):
    def __init__(self) -> None:
        super().__init__("fake_gazebo")
        self._lost = dict.fromkeys(JOINTS, self.declare_parameter("lost_commands", 0).value)
        self._delay = self.declare_parameter("delay", 0.0).value
        self._blind = self.declare_parameter("blind", 0).value
        self._mute = self.declare_parameter("mute", "").value
        self._on_roof = self.declare_parameter("on_roof", False).value
        self._has_car = self.declare_parameter("has_car", True).value
        self._camera = Camera(Scene.of(load_track(TRACK)))
        self._vehicle, self._state = Vehicle(), np.zeros((1, STATE_SIZE))
        self._joints = dict.fromkeys(JOINTS, 0.0)
        self._arriving: list[tuple[float, str, float]] = []
        self._requests: list[int] = []
        self._now, self._paused, self._steps = 12345 * STEP, False, 0
        qos = topics.every_message()
        self._times = self.create_publisher(Clock, topics.CLOCK, qos)
        self._odometry = self.create_publisher(Odometry, topics.ODOMETRY, qos)
        self._image = self.create_publisher(Image, topics.IMAGE, qos)
        self._received = {
            joint: self.create_publisher(Empty, received_topic(joint), qos) for joint in JOINTS
        }
        for joint in JOINTS:
            self.create_subscription(Float64, command_topic(joint), self._hear(joint), qos)
        self.create_service(SetMap, CONTROL_SERVICE, self._control)
        self.create_service(SetMap, POSE_SERVICE, self._set_pose)
        self.create_timer(0.001, self._iterate)

    def _hear(self, joint: str) -> Any:
        def hear(message: Float64) -> None:
            self._lost[joint] -= 1
            if self._lost[joint] < 0 and (joint != self._mute or message.data == 0.0):
                self._arriving.append((time.monotonic() + self._delay, joint, message.data))

        return hear

    def _control(self, request: Any, response: Any) -> Any:
        self._requests.append(request.map.info.width)
        response.success = True
        return response

    def _set_pose(self, request: Any, response: Any) -> Any:
        response.success = self._has_car and request.initial_pose.header.frame_id == "deepracer"
        if response.success:
            self._on_roof = False
            self._state[0, : YAW + 1] = messages.pose_of(request.initial_pose.pose.pose)
        return response

    def _iterate(self) -> None:
        while self._arriving and self._arriving[0][0] <= time.monotonic():
            _, joint, self._joints[joint] = self._arriving.pop(0)
            self._received[joint].publish(Empty())
        while not self._paused:
            self._move()
            self._steps -= 1
            self._paused = self._steps == 0
            if self._steps <= 0:
                break
        clock = Clock()
        messages.set_time(clock.clock, self._now)
        self._times.publish(clock)
        for steps in self._requests:
            self._paused, self._steps = steps == 0, steps
        self._requests.clear()

    def _move(self) -> None:
        wheel = self._joints["left_rear_wheel_joint"] * CarSpec.command_wheel_radius
        command = np.array([[self._joints["left_steering_hinge_joint"], wheel]])
        self._vehicle.step(self._state, command, dt=0.001)
        if self._on_roof:
            self._state[0, FORWARD_SPEED] = 1.0
        self._now += STEP
        message = messages.odometry()
        messages.set_time(message.header.stamp, self._now)
        state = self._state[0]
        messages.set_motion(message, state[: YAW + 1], state[FORWARD_SPEED:STEERING])
        self._odometry.publish(message)
        if self._now % (67 * STEP) == 0:
            self._blind -= 1
            if self._blind < 0:
                frame = self._camera.render(self._state[:, : YAW + 1])[0, 0]
                image = to_message(frame, topics.CAMERA_FRAME)
                image.header.stamp = message.header.stamp
                self._image.publish(image)


def stand_in() -> dict[str, types.ModuleType]:
    """Modules like ros_gz_interfaces, whose services are a service there is everywhere."""

    class ControlWorld(SetMap):
        class Request(SetMap.Request):
            def __init__(self) -> None:
                super().__init__()
                self.world_control = _WorldControl(self.map.info)

    class SetEntityPose(SetMap):
        class Request(SetMap.Request):
            def __init__(self) -> None:
                super().__init__()
                self.pose, self.entity = self.initial_pose.pose.pose, _Entity(self.initial_pose)

    package = types.ModuleType("ros_gz_interfaces")
    package.msg = types.ModuleType("ros_gz_interfaces.msg")
    package.srv = types.ModuleType("ros_gz_interfaces.srv")
    package.msg.Entity = types.SimpleNamespace(MODEL=2)
    package.srv.ControlWorld, package.srv.SetEntityPose = ControlWorld, SetEntityPose
    return {module.__name__: module for module in (package, package.msg, package.srv)}


class _WorldControl:
    """A request without ``pause`` would let the world run."""

    def __init__(self, info: Any) -> None:
        self._info, self._pause = info, False

    @property
    def pause(self) -> bool:
        return self._pause

    @pause.setter
    def pause(self, value: bool) -> None:
        self._pause = value

    @property
    def multi_step(self) -> int:
        return int(self._info.width)

    @multi_step.setter
    def multi_step(self, value: int) -> None:
        assert self._pause
        self._info.width = value


class _Entity:
    type = 0

    def __init__(self, pose: Any) -> None:
        self._pose = pose

    @property
    def name(self) -> str:
        return str(self._pose.header.frame_id)

    @name.setter
    def name(self, value: str) -> None:
        self._pose.header.frame_id = value


if __name__ == "__main__":
    sys.exit(spin(FakeGazebo))
