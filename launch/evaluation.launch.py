"""A model drives laps on a track, judged frame by frame, through the car's own inference node.

The world stands still while the model thinks: the car's node sees each frame and decides, and the
evaluation holds that decision for one control period. What the node would have sent to its own
servo and throttle goes nowhere.
"""

import json
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch_ros.actions import Node
from launch_ros.substitutions import ExecutableInPackage

from deepracer_car.model_bundle import POLICY, ModelBundle
from deepracer_car.ros.launching import (
    ARGUMENTS,
    arguments,
    command,
    essential,
    in_namespace,
    include,
    main_process,
    only_for,
    refuse_unknown,
    whole,
)
from deepracer_car.ros.topics import SERVO, THROTTLE

WORLD_WAITS = {"armed": True, "frame_timeout": 0.0, "inference_timeout": 0.0, "fault_limit": 0}
"""For the car's node: nothing moves while it thinks, however long that takes."""


def bundle_of(context):
    """Return the folder of the model's bundle; a run is exported to it first."""
    model = context.launch_configurations["model"]
    folder = Path(model).expanduser()
    if not (folder / POLICY).is_file():
        program = ExecutableInPackage("deepracer", "deepracer_agent")
        exported = command(program, "export", model, "--json").perform(context)
        folder = Path(json.loads(exported)["path"])
    return folder.absolute()


def evaluation(context):
    """Start the world, the car's node and the evaluation, which is over when its laps are."""
    chosen = context.launch_configurations
    only_for(context, "gazebo", "world", "sensors", "lidar", "geometry", rtf="0")
    laps = whole(context, "laps", 1)
    bundle = ModelBundle.open(bundle_of(context))
    for name in ("track", "direction"):
        chosen[name] = chosen[name] or bundle.provenance.get(name) or ARGUMENTS[name][0]
    car = Node(
        package="deepracer_car",
        executable="car_node",
        parameters=[{"model": str(bundle.path), "reliable_camera": True, **WORLD_WAITS}],
        remappings=[(SERVO, "policy/servo"), (THROTTLE, "policy/throttle")],
        output="screen",
    )
    settings = {
        "model": str(bundle.path),
        "laps": laps,
        "simulator": "gazebo" if chosen["simulator"] == "gazebo" else "simulator_node",
        **{name: chosen[name] for name in ("track", "direction")},
    }
    judge = Node(
        package="deepracer_agent",
        executable="evaluation_node",
        parameters=[settings],
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
        DeclareLaunchArgument(
            "model",
            description="What drives: a run, RUN:CHECKPOINT, or the folder of a model bundle.",
        ),
        DeclareLaunchArgument("laps", default_value="3", description="Laps to drive."),
        *arguments("simulator", "direction", "world", "sensors", "lidar", "geometry"),
        *arguments("headless", "rviz", "rqt", "namespace", track="", rtf="0"),
    ]
    return LaunchDescription(
        [*declared, refuse_unknown(__file__, declared), OpaqueFunction(function=evaluation)]
    )
