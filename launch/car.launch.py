"""The physical car: its inference node, fed by the images of the car's camera."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch_ros.actions import Node

from deepracer_car.ros.camera_input import CAMERAS
from deepracer_car.ros.launching import (
    arguments,
    in_namespace,
    main_process,
    number,
    refuse_unknown,
)


def car(context):
    """Start the node that drives; without it there is nothing to run for."""
    chosen = context.launch_configurations
    settings = {
        "model": str(Path(chosen["model"]).expanduser().absolute()),
        "armed": chosen["armed"] == "true",
        **{name: chosen[name] for name in ("camera", "output", "log")},
        **{name: number(context, name) for name in ("throttle_scale", "max_speed")},
    }
    driver = Node(
        package="deepracer_car",
        executable="car_node",
        parameters=[settings],
        remappings=[(CAMERAS[chosen["camera"]], chosen["image"])] if chosen["image"] else [],
        output="screen",
    )
    return [GroupAction([*in_namespace(context), *main_process(driver)])]


def generate_launch_description():
    """Return the description that launch asks for."""
    declared = [
        DeclareLaunchArgument("model", description="What drives: a bundle that was exported."),
        DeclareLaunchArgument(
            "camera",
            default_value="image",
            description="What the camera publishes: Image, CompressedImage or CameraMsg.",
            choices=list(CAMERAS),
        ),
        DeclareLaunchArgument(
            "image", default_value="", description="Topic of the camera, if it is not the usual."
        ),
        DeclareLaunchArgument(
            "output",
            default_value="topics",
            description="What is driven: a simulated car, beside the car's own software, or it.",
            choices=["topics", "beside", "replace"],
        ),
        DeclareLaunchArgument(
            "armed",
            default_value="false",
            description="Drive at once; else when service car_node/arm is called.",
            choices=["true", "false"],
        ),
        DeclareLaunchArgument(
            "throttle_scale",
            default_value="0.0",
            description="Share of the throttle, 0 to 1; at 0 the car steers and stands.",
        ),
        DeclareLaunchArgument(
            "max_speed", default_value="4.0", description="A faster decision counts as this, m/s."
        ),
        DeclareLaunchArgument(
            "log", default_value="", description="Folder that the drive is written into, if any."
        ),
        *arguments("namespace"),
    ]
    return LaunchDescription(
        [*declared, refuse_unknown(__file__, declared), OpaqueFunction(function=car)]
    )
