"""What a simulated car publishes."""

from __future__ import annotations

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState

from deepracer_car.observation import OBSERVATION_HEIGHT, OBSERVATION_WIDTH
from deepracer_car.ros import topics
from deepracer_car.ros.images import to_message
from deepracer_car.spec import CameraMount, CarSpec
from deepracer_sim.ros import messages
from deepracer_sim.scene import Pixels
from deepracer_sim.simulator import Floats
from deepracer_sim.vehicle import FORWARD_SPEED, STEERING, YAW

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # Comes with a ROS installation only.
    TFMessage = None


class CarTopics:
    """Publishes pose, joints and picture of one car of the embedded simulator.

    Odometry and picture are latched: whoever comes later gets the newest at once. The rest is
    published while somebody listens.
    """

    def __init__(self, node: Node) -> None:
        """Advertise the topics on ``node``."""
        latched, qos = topics.latched(), topics.every_message()
        self._odometry = node.create_publisher(Odometry, topics.ODOMETRY, latched)
        self._image = node.create_publisher(Image, topics.IMAGE, latched)
        self._info = node.create_publisher(CameraInfo, topics.CAMERA_INFO, qos)
        self._joints = node.create_publisher(JointState, topics.JOINT_STATES, qos)
        self._clock = node.create_publisher(Clock, topics.CLOCK, qos)
        self._tf = None if TFMessage is None else node.create_publisher(TFMessage, topics.TF, qos)
        # Made once: filling a message takes longer than simulating a step.
        self._odometry_message = messages.odometry()
        blank = np.zeros((OBSERVATION_HEIGHT, OBSERVATION_WIDTH), dtype=np.uint8)
        self._image_message = to_message(blank, topics.CAMERA_FRAME)
        self._info_message = messages.camera_info(CameraMount())
        self._clock_message = Clock()
        self._wheel_radius = CarSpec().wheel_radius
        self._wheel_angle, self._stamp = 0.0, 0

    def publish(self, stamp: int, state: Floats, frame: Pixels) -> None:
        """Tell where the car is and what it sees.

        Args:
            stamp: simulated time, ns.
            state: (7,) of `vehicle`.
            frame: (120, 160) grey.
        """
        odometry, image = self._odometry_message, self._image_message
        messages.set_time(odometry.header.stamp, stamp)
        messages.set_motion(odometry, state[: YAW + 1], state[FORWARD_SPEED:STEERING])
        self._odometry.publish(odometry)
        messages.set_time(image.header.stamp, stamp)
        image.data = frame.tobytes()
        self._image.publish(image)
        rolled = float(state[FORWARD_SPEED]) * (stamp - self._stamp) / messages.NANOSECONDS
        self._wheel_angle += rolled / self._wheel_radius
        self._stamp = stamp
        self._publish_the_rest(float(state[STEERING]))

    def _publish_the_rest(self, steering_angle: float) -> None:
        header = self._odometry_message.header
        if self._clock.get_subscription_count():
            self._clock_message.clock = header.stamp
            self._clock.publish(self._clock_message)
        if self._joints.get_subscription_count():
            joints = messages.joint_states(steering_angle, self._wheel_angle)
            joints.header.stamp = header.stamp
            self._joints.publish(joints)
        if self._info.get_subscription_count():
            self._info_message.header.stamp = header.stamp
            self._info.publish(self._info_message)
        if self._tf is not None and self._tf.get_subscription_count():
            transform = messages.transform(self._odometry_message)
            self._tf.publish(TFMessage(transforms=[transform]))
