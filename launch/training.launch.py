"""Train a racer's folder: the worlds, what shows the first of them, and the trainer.

``ros2 launch deepracer_sim training.launch.py model:=FOLDER simulator:=gazebo workers:=2``
"""

from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch_ros.actions import Node

from deepracer_car.errors import ConfigError
from deepracer_car.ros.launching import (
    ARGUMENTS,
    arguments,
    domain,
    in_namespace,
    include,
    main_process,
    only_for,
    refuse_unknown,
    whole,
)

TIME_TO_SAVE = "60"
"""Seconds a trainer that was told to stop has for its checkpoint, plot and film."""


def quickstart():
    """The folder of the first lesson, installed with the agent."""
    return Path(get_package_share_directory("deepracer_agent")) / "examples" / "quickstart"


def settings_of(folder):
    """What the folder's training.yaml says that the worlds must know too."""
    if not folder.is_dir():
        raise ConfigError(f"model:={folder} is not a folder. Name one with a reward_function.py.")
    file = folder / "training.yaml"
    given = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    if not isinstance(given, dict):
        return {}
    if str(given.get("track")).endswith((".npy", ".yaml")):
        given["track"] = str(folder / given["track"])  # as written from where the file is
    return given


def training(context):
    """Start as many worlds as there are workers, unless the trainer simulates by itself."""
    chosen = context.launch_configurations
    only_for(context, "gazebo", "world", "sensors", "lidar", "geometry", rtf="0")
    folder = Path(chosen["model"] or quickstart()).expanduser().absolute()
    files = settings_of(folder)
    for name in ("track", "direction"):
        chosen[name] = chosen[name] or files.get(name) or ARGUMENTS[name][0]
    in_process = chosen["simulator"] == "embedded"
    workers = whole(context, "workers")
    if not (workers or in_process):
        workers = files["ranks"] if isinstance(files.get("ranks"), int) else 1
    domain(context, max(workers, 1) - 1)
    settings = {
        "folder": str(folder),
        **{name: chosen[name] for name in ("name", "simulator", "track", "direction")},
        "workers": workers,
        "restarts": whole(context, "restarts"),
    }
    every_world = {
        "simulator": "gazebo" if chosen["simulator"] == "gazebo" else "embedded",
        "lockstep": "true",
    }
    worlds = [
        GroupAction(
            [include("world")], launch_configurations={**every_world, "worker": str(worker)}
        )
        for worker in range(0 if in_process else workers)
    ]
    trainer = Node(
        package="deepracer_agent",
        executable="trainer_node",
        parameters=[settings],
        output="screen",
        sigterm_timeout=TIME_TO_SAVE,
    )
    return [
        *worlds,
        include("monitor"),
        GroupAction([*in_namespace(context), *main_process(trainer)]),
    ]


def generate_launch_description():
    """Return the description that launch asks for."""
    declared = [
        DeclareLaunchArgument(
            "simulator",
            default_value="gazebo",
            description="Gazebo, the product's own simulator inside the trainer, or as a node.",
            choices=["gazebo", "embedded", "simulator_node"],
        ),
        DeclareLaunchArgument(
            "model",
            default_value="",
            description="Folder with reward_function.py, model_metadata.json and "
            "hyperparameters.json or training.yaml; without one, the quick start's.",
        ),
        DeclareLaunchArgument("name", default_value="", description="Name of the run."),
        DeclareLaunchArgument(
            "workers",
            default_value="0",
            description="Simulators that train together, each in a ROS domain of its own; 0: as "
            "many as the files say, or one.",
        ),
        *arguments("direction", "world", "sensors", "lidar", "geometry"),
        *arguments("headless", "restarts", "rviz", "rqt", "namespace", track="", rtf="0"),
    ]
    return LaunchDescription(
        [*declared, refuse_unknown(__file__, declared), OpaqueFunction(function=training)]
    )
