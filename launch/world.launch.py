"""A simulated car on ROS topics: the part that training, evaluation and driving share.

Several of them, one per worker, live in ROS domains and Gazebo partitions of their own.
"""

from launch import LaunchDescription
from launch.actions import GroupAction, OpaqueFunction, SetEnvironmentVariable
from launch_ros.actions import Node

from deepracer_car.ros.launching import (
    arguments,
    domain,
    essential,
    in_namespace,
    include,
    number,
    only_for,
    restarted,
    whole,
)


def simulator_node(context):
    """The product's own simulator, as a node."""
    chosen = context.launch_configurations
    restarts = whole(context, "restarts")
    lockstep = chosen["lockstep"] == "true"
    settings = {
        "track": chosen["track"],
        "direction": chosen["direction"],
        "lockstep": lockstep,
        **({} if lockstep else {"rtf": number(context, "rtf")}),
    }
    node = Node(
        package="deepracer_sim",
        executable="simulator_node",
        parameters=[settings],
        output="screen",
        **restarted(restarts),
    )
    return essential(node, restarts)


def world(context):
    """Start the chosen simulator in the domain, the partition and the namespace of its worker."""
    chosen = context.launch_configurations
    only_for(context, "gazebo", "world", "sensors", "lidar", "geometry")
    in_gazebo = chosen["simulator"] == "gazebo"
    ros_domain = str(domain(context, whole(context, "worker")))
    names = filter(None, ["deepracer", ros_domain, *chosen["namespace"].split("/")])
    return [
        GroupAction(
            [
                SetEnvironmentVariable("ROS_DOMAIN_ID", ros_domain),
                SetEnvironmentVariable("GZ_PARTITION", "_".join(names)),
                *in_namespace(context),
                *([include("gazebo")] if in_gazebo else simulator_node(context)),
            ]
        )
    ]


def generate_launch_description():
    """Return the description that launch asks for."""
    declared = arguments(
        *("simulator", "track", "direction", "world", "sensors", "lidar", "geometry"),
        *("lockstep", "rtf", "headless", "restarts", "worker", "namespace"),
    )
    return LaunchDescription([*declared, OpaqueFunction(function=world)])
