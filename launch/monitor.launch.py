"""What shows a car: its model and its frames, the track as markers, and on demand rviz and rqt."""

from launch import LaunchDescription
from launch.actions import GroupAction, OpaqueFunction
from launch.substitutions import Command, FindExecutable
from launch_ros.actions import Node, SetParameter
from launch_ros.parameter_descriptions import ParameterValue

from deepracer_car.ros.launching import arguments, essential, in_namespace, share
from deepracer_car.ros.topics import MAP_FRAME, ODOMETRY_FRAME


def monitors(context):
    """Start what shows the car, all of it in simulated time."""
    chosen = context.launch_configurations
    variant = [f" {name}:={chosen[name]}" for name in ("sensors", "lidar")]
    model = [share("worlds", "car", "deepracer.urdf.xacro"), *variant]
    urdf = Command([FindExecutable(name="xacro"), " ", *model])
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
    windows = {
        "rviz": Node(
            package="rviz2",
            executable="rviz2",
            arguments=["-d", share("config", "deepracer.rviz")],
        ),
        "rqt": Node(
            package="rqt_gui",
            executable="rqt_gui",
            arguments=["--perspective-file", share("config", "deepracer.perspective")],
        ),
    }
    return [
        GroupAction(
            [
                SetParameter("use_sim_time", True),
                *in_namespace(context),
                *(action for node in nodes for action in essential(node)),
                *(window for name, window in windows.items() if chosen[name] == "true"),
            ]
        )
    ]


def generate_launch_description():
    """Return the description that launch asks for."""
    declared = arguments("track", "direction", "sensors", "lidar", "rviz", "rqt", "namespace")
    return LaunchDescription([*declared, OpaqueFunction(function=monitors)])
