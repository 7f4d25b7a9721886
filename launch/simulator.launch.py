"""The world and the car, to be driven by hand: by joystick, teleop or ``rqt_robot_steering``."""

from launch import LaunchDescription

from deepracer_car.ros.launching import arguments, include, refuse_unknown


def generate_launch_description():
    """Return the description that launch asks for."""
    declared = arguments(
        *("simulator", "track", "direction", "world", "sensors", "lidar", "geometry"),
        *("lockstep", "rtf", "restarts", "rviz", "rqt", "namespace"),
        headless="false",
    )
    return LaunchDescription(
        [*declared, refuse_unknown(__file__, declared), include("world"), include("monitor")]
    )
