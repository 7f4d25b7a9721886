"""What a simulated car tells on ROS topics, as messages, and the way back to numbers."""

from __future__ import annotations

from math import atan2, cos, sin, tan
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped, TransformStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, JointState

from deepracer_car.observation import OBSERVATION_HEIGHT, OBSERVATION_WIDTH
from deepracer_car.ros import topics
from deepracer_car.spec import CONTROL_HZ, CameraMount
from deepracer_sim.simulator import Floats

NANOSECONDS = 1_000_000_000


def step_stamp(step: int) -> int:
    """Simulated time at the end of control step number ``step``, ns."""
    return round(step * NANOSECONDS / CONTROL_HZ)


def step_number(stamp: int) -> int:
    """Number of the control step that ends at ``stamp``, ns, or nearest to it."""
    return round(stamp * CONTROL_HZ / NANOSECONDS)


def nanoseconds(time: Any) -> int:
    """Return the ns of a Time message."""
    return int(time.sec) * NANOSECONDS + int(time.nanosec)


def set_time(time: Any, stamp: int) -> None:
    """Write ``stamp``, ns, into a Time message."""
    time.sec, time.nanosec = divmod(stamp, NANOSECONDS)


def set_pose(pose: Any, x: float, y: float, yaw: float) -> None:
    """Write a pose on the ground, m and rad, into a Pose message."""
    pose.position.x, pose.position.y = x, y
    pose.orientation.z, pose.orientation.w = sin(yaw / 2.0), cos(yaw / 2.0)


def pose_of(pose: Any) -> tuple[float, float, float]:
    """Return x, y in metres and yaw in radians of a Pose message."""
    q = pose.orientation
    yaw = atan2(2.0 * (q.w * q.z + q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z))
    return pose.position.x, pose.position.y, yaw


def initial_pose(x: float, y: float, yaw: float) -> Any:
    """Return the message that puts a car somewhere."""
    message = PoseWithCovarianceStamped()
    message.header.frame_id = topics.MAP_FRAME
    set_pose(message.pose.pose, x, y, yaw)
    return message


def odometry() -> Any:
    """Return an Odometry message in the car's frames, at the origin."""
    message = Odometry(child_frame_id=topics.BASE_FRAME)
    message.header.frame_id = topics.ODOMETRY_FRAME
    return message


def set_motion(message: Any, pose: Floats, velocity: Floats) -> None:
    """Write ``pose`` x, y, yaw and ``velocity`` forward, sideways, turning into an Odometry."""
    set_pose(message.pose.pose, *pose.tolist())
    twist = message.twist.twist
    twist.linear.x, twist.linear.y, twist.angular.z = velocity.tolist()


def motion_of(message: Any) -> tuple[Floats, float]:
    """Return x, y, yaw and the forward speed, m/s, of an Odometry message."""
    return np.array(pose_of(message.pose.pose)), message.twist.twist.linear.x


def transform(odom: Any) -> Any:
    """Return what an Odometry message says as a transform."""
    message = TransformStamped(header=odom.header, child_frame_id=odom.child_frame_id)
    position = odom.pose.pose.position
    message.transform.translation.x, message.transform.translation.y = position.x, position.y
    message.transform.rotation = odom.pose.pose.orientation
    return message


def joint_states(steering_angle: float, wheel_angle: float) -> Any:
    """Return the joints of a car with its front wheels turned alike and all wheels rolling."""
    hinges, wheels = topics.HINGE_JOINTS, topics.WHEEL_JOINTS
    positions = [steering_angle] * len(hinges) + [wheel_angle] * len(wheels)
    return JointState(name=[*hinges, *wheels], position=positions)


def camera_info(mount: CameraMount) -> Any:
    """Return the intrinsics of the embedded camera: an ideal pinhole with square pixels."""
    width, height = OBSERVATION_WIDTH, OBSERVATION_HEIGHT
    focal = width / 2.0 / tan(mount.horizontal_fov / 2.0)
    # Whole numbers are the middles of pixels.
    k = [focal, 0.0, (width - 1) / 2.0, 0.0, focal, (height - 1) / 2.0, 0.0, 0.0, 1.0]
    message = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5)
    message.header.frame_id = topics.CAMERA_FRAME
    message.k = np.array(k)
    message.r = np.eye(3).ravel()
    message.p = np.hstack([np.reshape(k, (3, 3)), np.zeros((3, 1))]).ravel()
    return message
