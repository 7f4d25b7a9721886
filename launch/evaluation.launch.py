"""A model drives laps on a track, judged frame by frame, through the car's own inference node.

The world stands still while the model thinks: the car's node sees each frame and decides, and the
evaluation holds that decision for one control period. What the node would have sent to its own
servo and throttle goes nowhere.
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch_ros.actions import Node

from deepracer_car.ros.launching import (
    arguments,
    essential,
    in_namespace,
    include,
    main_process,
    refuse_unknown,
    whole,
)
from deepracer_car.ros.topics import SERVO, THROTTLE


def evaluation(context):
    """Start the world, the car's node and the evaluation, which is over when its laps are."""
    chosen = context.launch_configurations
    model = str(Path(chosen["model"]).expanduser().absolute())
    car = Node(
        package="deepracer_car",
        executable="car_node",
        parameters=[{"model": model, "reliable_camera": True}],
        remappings=[(SERVO, "policy/servo"), (THROTTLE, "policy/throttle")],
        output="screen",
    )
    judge = Node(
        package="deepracer_agent",
        executable="evaluation_node",
        parameters=[
            {
                "model": model,
                "laps": whole(context, "laps", 1),
                **{name: chosen[name] for name in ("simulator", "track", "direction")},
            }
        ],
        output="screen",
    )
    return [
        GroupAction([include("world")], launch_configurations={"lockstep": "true"}),
        include("monitor"),
        GroupAction([*in_namespace(context), *essential(car), *main_process(judge)]),
    ]


def generate_launch_description():
    """Return the description that launch asks for."""
    declared = [
        DeclareLaunchArgument("model", description="What drives: a bundle that was exported."),
        DeclareLaunchArgument("laps", default_value="3", description="Laps to drive."),
        *arguments("simulator", "track", "direction", "world", "sensors", "lidar", "geometry"),
        *arguments("headless", "rviz", "rqt", "namespace", rtf="0"),
    ]
    return LaunchDescription(
        [*declared, refuse_unknown(__file__, declared), OpaqueFunction(function=evaluation)]
    )
