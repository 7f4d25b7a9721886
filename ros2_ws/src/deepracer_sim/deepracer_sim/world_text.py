"""The world of a track as SDF 1.9 text: ground, walls, sky, light, physics and systems.

Ground, walls and sky shine by themselves in the colours that the embedded camera gives them,
whatever the light; the light is for cars and boxes.
"""

from __future__ import annotations

from deepracer_car.spec import CarSpec
from deepracer_sim.car_mesh import LIGHT
from deepracer_sim.scene import Scene
from deepracer_sim.vehicle import GRAVITY
from deepracer_sim.world_models import box_shape, collision, glowing, linear, numbers, solid

WORLD = "deepracer"
"""Name of every world, so that topics and services are the same on each track."""
PHYSICS_STEP = 0.001
"""s."""
WALL_THICKNESS = 0.1
"""m; the inner side stands on the edge of the ground's picture."""
PLUGINS = (
    ("physics", "Physics", ""),
    ("user-commands", "UserCommands", ""),
    ("scene-broadcaster", "SceneBroadcaster", ""),
    ("sensors", "Sensors", "<render_engine>ogre2</render_engine>"),
    ("contact", "Contact", ""),
)
"""Systems of the world; naming any drops Gazebo's default set."""

# A square of 1 m around the origin, seen from above; the picture's upper edge lies at high y.
QUAD_OBJ = """# The ground of every world; scaled to the track's size by the world.
mtllib quad.mtl
v -0.5 -0.5 0
v 0.5 -0.5 0
v 0.5 0.5 0
v -0.5 0.5 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
vn 0 0 1
o ground
usemtl ground
f 1/1/1 2/2/1 3/3/1
f 1/1/1 3/3/1 4/4/1
"""
QUAD_MTL = """# Every world replaces this material by its own; without one Gazebo would complain.
newmtl ground
Kd 0 0 0
"""


def world_text(scene: Scene, picture: str) -> str:
    """SDF text of a world that shows ``scene``; ``picture``: its ground, beside the world."""
    plugins = "".join(
        f"""
    <plugin filename="gz-sim-{file}-system" name="gz::sim::systems::{kind}">{inside}</plugin>"""
        if inside
        else f"""
    <plugin filename="gz-sim-{file}-system" name="gz::sim::systems::{kind}"/>"""
        for file, kind, inside in PLUGINS
    )
    light = " ".join(f"{-part:g}" for part in LIGHT)
    return f"""<?xml version="1.0"?>
<!-- Made by `deepracer track world`, which also paints the ground's picture. -->
<sdf version="1.9">
  <world name="{WORLD}">
    <physics name="1ms" type="dart">
      <max_step_size>{PHYSICS_STEP:g}</max_step_size>
      <real_time_factor>1</real_time_factor>
    </physics>
    <gravity>0 0 -{GRAVITY:g}</gravity>{plugins}
    <scene>
      <ambient>0.6 0.6 0.6 1</ambient>
      <background>{linear(scene.sky)}</background>
      <shadows>false</shadows>
      <grid>false</grid>
      <origin_visual>false</origin_visual>
    </scene>
    <light name="sun" type="directional">
      <cast_shadows>false</cast_shadows>
      <pose>0 0 10 0 0 0</pose>
      <diffuse>0.6 0.6 0.6 1</diffuse>
      <specular>0 0 0 1</specular>
      <direction>{light}</direction>
    </light>{_ground(scene, picture)}{_walls(scene)}
  </world>
</sdf>
"""


def _ground(scene: Scene, picture: str) -> str:
    """The picture to look at, and a plane to drive on."""
    (x, y), (width, height) = scene.origin, scene.size
    size = numbers(width, height)
    plane = f"<plane><normal>0 0 1</normal><size>{size}</size></plane>"
    return f"""
    <model name="ground">
      <static>true</static>
      <link name="ground_link">{collision("ground", plane, friction=CarSpec().friction)}
        <visual name="ground">
          <pose>{numbers(x + width / 2.0, y + height / 2.0)} 0 0 0 0</pose>
          <cast_shadows>false</cast_shadows>
          <geometry>
            <mesh><uri>ground/quad.obj</uri><scale>{size} 1</scale></mesh>
          </geometry>
          <material>
            <ambient>0 0 0 1</ambient>
            <diffuse>0 0 0 1</diffuse>
            <specular>0 0 0 1</specular>
            <emissive>1 1 1 1</emissive>
            <pbr>
              <metal>
                <emissive_map>{picture}</emissive_map>
                <roughness>1</roughness>
                <metalness>0</metalness>
              </metal>
            </pbr>
          </material>
        </visual>
      </link>
    </model>"""


def _walls(scene: Scene) -> str:
    (x, y), (width, height) = scene.origin, scene.size
    half, up = WALL_THICKNESS / 2.0, scene.wall_height / 2.0
    along_x = box_shape(width + 2.0 * WALL_THICKNESS, WALL_THICKNESS, scene.wall_height)
    along_y = box_shape(WALL_THICKNESS, height, scene.wall_height)
    middle = x + width / 2.0, y + height / 2.0
    sides = (
        ("low_y", along_x, (middle[0], y - half)),
        ("high_y", along_x, (middle[0], y + height + half)),
        ("low_x", along_y, (x - half, middle[1])),
        ("high_x", along_y, (x + width + half, middle[1])),
    )
    walls = "".join(
        solid(name, shape, glowing(scene.wall), f"{numbers(px, py, up)} 0 0 0")
        for name, shape, (px, py) in sides
    )
    return f"""
    <model name="walls">
      <static>true</static>
      <link name="walls_link">{walls}
      </link>
    </model>"""
