"""The world and the car, to be driven by hand: by joystick, teleop or ``rqt_robot_steering``."""

from launch import LaunchDescription
from launch.actions import GroupAction, OpaqueFunction
from launch_ros.actions import Node

from deepracer_car.ros.launching import (
    arguments,
    essential,
    in_namespace,
    include,
    refuse_unknown,
)


def by_hand(context):
    """Let whatever sends velocities drive the car."""
    teleop = Node(package="deepracer_sim", executable="teleop_node", output="screen")
    return [GroupAction([*in_namespace(context), *essential(teleop)])]


def generate_launch_description():
    """Return the description that launch asks for."""
    declared = arguments(
        *("simulator", "track", "direction", "world", "sensors", "lidar", "geometry"),
        *("lockstep", "rtf", "restarts", "rviz", "rqt", "namespace"),
        headless="false",
    )
    return LaunchDescription(
        [
            *declared,
            refuse_unknown(__file__, declared),
            include("world"),
            include("monitor"),
            OpaqueFunction(function=by_hand),
        ]
    )
