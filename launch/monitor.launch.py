"""What shows a car: its model and its frames, the track as markers, and on demand rviz and rqt."""

from pathlib import Path
from tempfile import NamedTemporaryFile

from launch import LaunchDescription
from launch.actions import GroupAction, OpaqueFunction, TimerAction
from launch_ros.actions import Node, SetParameter
from launch_ros.parameter_descriptions import ParameterValue

from deepracer_car.ros.launching import (
    arguments,
    command,
    essential,
    in_namespace,
    program,
    share,
    start,
)
from deepracer_car.ros.topics import MAP_FRAME, ODOMETRY_FRAME

UNTIL_TOPICS_ARE_THERE = 6.0
"""Seconds; rqt forgets a plot of a topic that nobody publishes when it opens."""


def perspective(context):
    """Return the file of rqt's windows; rqt knows no namespaces, so each has a file of its own."""
    file = share("config", "deepracer.perspective").perform(context)
    namespace = context.launch_configurations["namespace"].strip("/")
    if not namespace:
        return file
    text = Path(file).read_text(encoding="utf-8").replace("'/", f"'/{namespace}/")
    with NamedTemporaryFile("w", prefix="deepracer_", suffix=".perspective", delete=False) as own:
        own.write(text)
    return own.name


def monitors(context):
    """Start what shows the car, all of it in simulated time."""
    chosen = context.launch_configurations
    variant = [f"{name}:={chosen[name]}" for name in ("sensors", "lidar")]
    model = share("worlds", "car", "deepracer.urdf.xacro")
    urdf = command(program("xacro"), model, "gazebo:=false", *variant)
    track = {"track": chosen["track"], "direction": chosen["direction"]}
    nodes = [
        Node(
            package="robot_state_publisher",
            executable="robot_state_publisher",
            parameters=[{"robot_description": ParameterValue(urdf, value_type=str)}],
        ),
        Node(
            package="tf2_ros",
            executable="static_transform_publisher",
            name="map_to_odom",
            arguments=["--frame-id", MAP_FRAME, "--child-frame-id", ODOMETRY_FRAME],
        ),
        Node(package="deepracer_sim", executable="track_node", parameters=[track]),
    ]
    rviz = Node(
        package="rviz2", executable="rviz2", arguments=["-d", share("config", "deepracer.rviz")]
    )
    rqt = Node(
        package="rqt_gui",
        executable="rqt_gui",
        arguments=["--perspective-file", perspective(context)],
    )
    around = [SetParameter("use_sim_time", True), *in_namespace(context)]
    shown = [
        *(action for node in nodes for action in essential(node)),
        *(start(rviz) if chosen["rviz"] == "true" else []),
    ]
    later = TimerAction(
        period=UNTIL_TOPICS_ARE_THERE, actions=[GroupAction([*around, *start(rqt)])]
    )
    return [GroupAction([*around, *shown]), *([later] if chosen["rqt"] == "true" else [])]


def generate_launch_description():
    """Return the description that launch asks for."""
    declared = arguments("track", "direction", "sensors", "lidar", "rviz", "rqt", "namespace")
    return LaunchDescription([*declared, OpaqueFunction(function=monitors)])
