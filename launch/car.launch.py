"""The physical car: its inference node, fed by the images of the car's camera."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch_ros.actions import Node

from deepracer_car.ros.launching import arguments, in_namespace, main_process, refuse_unknown
from deepracer_car.ros.topics import IMAGE


def car(context):
    """Start the node that drives; without it there is nothing to run for."""
    chosen = context.launch_configurations
    driver = Node(
        package="deepracer_car",
        executable="car_node",
        parameters=[{"model": str(Path(chosen["model"]).expanduser().absolute())}],
        remappings=[(IMAGE, chosen["image"])],
        output="screen",
    )
    return [GroupAction([*in_namespace(context), *main_process(driver)])]


def generate_launch_description():
    """Return the description that launch asks for."""
    declared = [
        DeclareLaunchArgument("model", description="What drives: a bundle that was exported."),
        DeclareLaunchArgument("image", default_value=IMAGE, description="Topic of the camera."),
        *arguments("namespace"),
    ]
    return LaunchDescription(
        [*declared, refuse_unknown(__file__, declared), OpaqueFunction(function=car)]
    )
