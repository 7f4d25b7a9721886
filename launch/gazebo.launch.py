"""Gazebo with a track and a car in it, its bridge to ROS, and the node that drives the joints."""

from launch import LaunchDescription
from launch.actions import (
    AppendEnvironmentVariable,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessStart
from launch.substitutions import Command
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import ExecutableInPackage

from deepracer_car.ros.launching import (
    arguments,
    essential,
    number,
    program,
    restarted,
    share,
    start,
    whole,
)

STEPS_PER_SECOND = 1000
"""Of the physics, in simulated time."""
UNLIMITED = 1e6
"""Steps per second that no machine reaches."""

SERVICES = {
    "/world/deepracer/control": "ros_gz_interfaces/srv/ControlWorld",
    "/world/deepracer/set_pose/blocking": "ros_gz_interfaces/srv/SetEntityPose",
}
"""Of Gazebo, bridged by command line: the bridge's table in Jazzy has topics only."""
RESOURCES = (("..",), ("worlds",), ("worlds", "models"))
"""Where Gazebo looks for what the world and the car are made of."""

CREATE = ["-world", "deepracer", "-name", "deepracer", "-param", "robot_description"]


def server(context, restarts):
    """Gazebo's server: physics and sensors. It stands still at first where lockstep is wanted."""
    chosen = context.launch_configurations
    rate = number(context, "rtf") * STEPS_PER_SECOND or UNLIMITED
    made = [ExecutableInPackage("world_file", "deepracer_sim"), f" '{chosen['track']}'"]
    command = [program("gz"), "sim", "-s", "-z", f"{rate:.0f}"]
    if chosen["headless"] == "true":
        command.append("--headless-rendering")
    if chosen["lockstep"] == "false":
        command.append("-r")
    command.append(chosen["world"] or Command(made, on_stderr="warn").perform(context).strip())
    return ExecuteProcess(cmd=command, name="gazebo", output="screen", **restarted(restarts))


def car(context):
    """Put the car into the world, each time a server has started."""
    chosen = context.launch_configurations
    variant = [f" {name}:={chosen[name]}" for name in ("sensors", "lidar")]
    model = [share("worlds", "car", "deepracer.urdf.xacro"), " gazebo:=true", *variant]
    urdf = Command([program("xacro"), " ", *model])
    same_place = {
        name: context.environment[name]
        for name in ("ROS_DOMAIN_ID", "GZ_PARTITION")
        if name in context.environment
    }

    def put(_event, _context):
        return essential(
            Node(
                package="ros_gz_sim",
                executable="create",
                arguments=CREATE,
                parameters=[{"robot_description": ParameterValue(urdf, value_type=str)}],
                additional_env=same_place,
                output="screen",
            ),
            may_finish=True,
        )

    return put


def gazebo(context):
    """Start all of it."""
    restarts = whole(context, "restarts")
    world = server(context, restarts)
    bridge = Node(
        package="ros_gz_bridge",
        executable="parameter_bridge",
        arguments=[f"{name}@{kind}" for name, kind in SERVICES.items()],
        parameters=[{"config_file": share("config", "bridge.yaml")}],
        remappings=[(name, name.lstrip("/")) for name in SERVICES],
        output="screen",
        **restarted(restarts),
    )
    drive = Node(
        package="deepracer_sim",
        executable="drive_node",
        parameters=[{"geometry": context.launch_configurations["geometry"]}],
        output="screen",
        **restarted(restarts),
    )
    window = ExecuteProcess(cmd=[program("gz"), "sim", "-g"], name="gazebo_window")
    return [
        *(AppendEnvironmentVariable("GZ_SIM_RESOURCE_PATH", share(*f)) for f in RESOURCES),
        RegisterEventHandler(OnProcessStart(target_action=world, on_start=car(context))),
        *essential(world, restarts),
        *essential(bridge, restarts),
        *essential(drive, restarts),
        *(start(window) if context.launch_configurations["headless"] == "false" else []),
    ]


def generate_launch_description():
    """Return the description that launch asks for."""
    declared = arguments(
        *("track", "world", "sensors", "lidar", "geometry", "lockstep", "rtf", "headless"),
        *("restarts",),
    )
    return LaunchDescription([*declared, OpaqueFunction(function=gazebo)])
