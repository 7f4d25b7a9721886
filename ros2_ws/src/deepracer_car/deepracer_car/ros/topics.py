"""Names of topics and frames, and their quality of service: what all nodes agree on.

Names are relative, so that a node's namespace stands before them. Axes and units are those of
REP 103, frames those of REP 105.
"""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

IMAGE = "camera/zed/rgb/image_rect_color"
CAMERA_INFO = "camera/zed/rgb/camera_info"
RIGHT_IMAGE = "camera/zed_right/rgb/image_rect_color_right"
RIGHT_CAMERA_INFO = "camera/zed_right/rgb/camera_info"
SCAN = "scan"
ODOMETRY = "odom"
JOINT_STATES = "joint_states"
CLOCK = "clock"
TF = "tf"

SERVO = "deepracer/servo"
"""Steering angle, rad, positive to the left."""
THROTTLE = "deepracer/throttle"
"""Target speed, m/s."""
DECISION = "deepracer/decision"
"""Both, with the stamp of the frame they were decided on."""

HEARTBEAT = "~/heartbeat"
"""Says that whoever watches over the car is there."""

DIAGNOSTICS = "diagnostics"
"""How a node is doing, about once a second."""

VELOCITY = "cmd_vel"
"""Forward speed, m/s, and yaw rate, rad/s: what joysticks, teleop and rqt_robot_steering send."""

INITIAL_POSE = "initialpose"
"""Puts a simulated car somewhere, at rest; what rviz's "2D Pose Estimate" publishes."""
TRACK = "track"
"""Road and lines as markers."""

MAP_FRAME = "map"
ODOMETRY_FRAME = "odom"
BASE_FRAME = "base_link"
CAMERA_FRAME = "camera_optical_frame"
RIGHT_CAMERA_FRAME = "camera_right_optical_frame"
LASER_FRAME = "laser"

HINGE_JOINTS = ("left_steering_hinge_joint", "right_steering_hinge_joint")
WHEEL_JOINTS = (
    "left_front_wheel_joint",
    "right_front_wheel_joint",
    "left_rear_wheel_joint",
    "right_rear_wheel_joint",
)


def every_message(depth: int = 10) -> QoSProfile:
    """Reliable: a publisher of this kind serves every subscriber, best effort ones too."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth)


def newest_only() -> QoSProfile:
    """Best effort, one message deep: for a subscriber that wants the newest frame or none."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
    )


def latched() -> QoSProfile:
    """Whoever subscribes later still gets the last message."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL
    )
