"""Gazebo with a track and a car in it, its bridge to ROS, and the node that drives the joints."""

from launch import LaunchDescription
from launch.actions import (
    AppendEnvironmentVariable,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessStart
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import ExecutableInPackage

from deepracer_car.ros.launching import (
    arguments,
    command,
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
CREATE = ["-world", "deepracer", "-name", "deepracer", "-param", "robot_description"]


def place(context):
    """Return the file of the track's world and the start line's x, y and yaw."""
    chosen = context.launch_configurations
    ask = [ExecutableInPackage("world_file", "deepracer_sim"), chosen["track"], "--start"]
    if chosen["direction"]:
        ask += ["--direction", chosen["direction"]]
    file, start_line = command(*ask).perform(context).splitlines()
    return chosen["world"] or file, start_line.split()


def server(context, world):
    """Gazebo's server: physics and sensors. It stands still at first where lockstep is wanted."""
    chosen = context.launch_configurations
    rate = number(context, "rtf") * STEPS_PER_SECOND or UNLIMITED
    words = [program("gz"), "sim", "-s", "-z", f"{rate:.0f}"]
    if chosen["headless"] == "true":
        words.append("--headless-rendering")
    if chosen["lockstep"] == "false":
        words.append("-r")
    again = restarted(whole(context, "restarts"))
    return ExecuteProcess(cmd=[*words, world], name="gazebo", output="screen", **again)


def car(context, start_line):
    """Return what puts the car on the start line, each time a server has started."""
    chosen = context.launch_configurations
    variant = [f"{name}:={chosen[name]}" for name in ("sensors", "lidar", "lockstep")]
    model = share("worlds", "car", "deepracer.urdf.xacro")
    urdf = command(program("xacro"), model, "gazebo:=true", *variant)
    description = {"robot_description": ParameterValue(urdf, value_type=str)}
    pose = [word for pair in zip(("-x", "-y", "-Y"), start_line, strict=True) for word in pair]
    # When a server has started, what was set around this file no longer is.
    here = {name: context.environment.get(name, "") for name in ("ROS_DOMAIN_ID", "GZ_PARTITION")}

    def put(_event, _context):
        create = Node(
            package="ros_gz_sim",
            executable="create",
            arguments=[*CREATE, *pose],
            parameters=[description],
            additional_env=here,
            output="screen",
        )
        return essential(create, may_finish=True)

    return put


def gazebo(context):
    """Start all of it."""
    chosen = context.launch_configurations
    restarts = whole(context, "restarts")
    file, start_line = place(context)
    world = server(context, file)
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
        parameters=[{"geometry": chosen["geometry"]}],
        output="screen",
        **restarted(restarts),
    )
    window = ExecuteProcess(cmd=[program("gz"), "sim", "-g"], name="gazebo_window")
    put_car = OnProcessStart(target_action=world, on_start=car(context, start_line))
    return [
        AppendEnvironmentVariable("GZ_SIM_RESOURCE_PATH", share("..")),
        RegisterEventHandler(put_car),
        *essential(world, restarts),
        *essential(bridge, restarts),
        *essential(drive, restarts),
        *(start(window) if chosen["headless"] == "false" else []),
    ]


def generate_launch_description():
    """Return the description that launch asks for."""
    declared = arguments(
        *("track", "direction", "world", "sensors", "lidar", "geometry"),
        *("lockstep", "rtf", "headless", "restarts"),
    )
    return LaunchDescription([*declared, OpaqueFunction(function=gazebo)])
