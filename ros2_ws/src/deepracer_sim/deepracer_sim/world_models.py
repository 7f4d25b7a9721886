"""The parts of a Gazebo world as SDF 1.9 text: materials, solids, boxes and bot cars."""

from __future__ import annotations

from math import pi

from deepracer_car.spec import CarSpec
from deepracer_sim.appearance import RGB
from deepracer_sim.car_mesh import WHEEL_WIDTH
from deepracer_sim.placement import Pose

BOX_SIZE, BOX_MASS = (0.40, 0.30, 0.25), 1.0
"""Along the road, across it, height, m; kg. The original simulator's obstacle."""
BOX: RGB = (123, 97, 79)
BOT: RGB = (38, 98, 188)
BOT_CABIN: RGB = (24, 30, 40)
TYRE: RGB = (34, 34, 36)


def linear(color: RGB) -> str:
    """``color`` as SDF wants it: Gazebo takes linear light and shows it in sRGB."""
    shares = (channel / 255.0 for channel in color)
    light = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return " ".join(f"{value:.5f}" for value in light) + " 1"


def glowing(color: RGB) -> str:
    """A material that shows exactly ``color``, whatever the light."""
    return f"""<material>
            <ambient>0 0 0 1</ambient>
            <diffuse>0 0 0 1</diffuse>
            <specular>0 0 0 1</specular>
            <emissive>{linear(color)}</emissive>
          </material>"""


def numbers(*values: float) -> str:
    """``values`` to a tenth of a millimetre or milliradian."""
    return " ".join(f"{round(value, 4) + 0.0:g}" for value in values)


def solid(name: str, geometry: str, material: str, pose: str = "") -> str:
    """A shape that is seen and touched."""
    return collision(name, geometry, pose) + visual(name, geometry, material, pose)


def collision(name: str, geometry: str, pose: str = "", friction: float | None = None) -> str:
    """A shape that is touched; ``friction``: Coulomb coefficient, None: Gazebo's, 1."""
    rough = "" if friction is None else _friction(friction)
    return f"""
        <collision name="{name}_collision">{_posed(pose)}
          <geometry>{geometry}</geometry>{rough}
        </collision>"""


def visual(name: str, geometry: str, material: str, pose: str = "") -> str:
    """A shape that is seen and touches nothing."""
    return f"""
        <visual name="{name}">{_posed(pose)}
          <cast_shadows>false</cast_shadows>
          <geometry>{geometry}</geometry>
          {material}
        </visual>"""


def box_shape(x: float, y: float, z: float) -> str:
    """A box with these sides, m."""
    return f"<box><size>{numbers(x, y, z)}</size></box>"


def box_model(name: str, pose: Pose) -> str:
    """A box of 1 kg that stands on the road and can be pushed."""
    x, y, z = BOX_SIZE
    inertia = [BOX_MASS / 12.0 * (a * a + b * b) for a, b in ((y, z), (x, z), (x, y))]
    moments = "".join(
        f"<{axis}>{moment:.6f}</{axis}>"
        for axis, moment in zip(("ixx", "iyy", "izz"), inertia, strict=True)
    )
    body = solid("box", box_shape(x, y, z), _lit(BOX))
    return f"""
    <model name="{name}">
      <pose>{numbers(pose[0], pose[1], z / 2.0, 0.0, 0.0, pose[2])}</pose>
      <link name="{name}_link">
        <inertial>
          <mass>{BOX_MASS:g}</mass>
          <inertia>{moments}<ixy>0</ixy><ixz>0</ixz><iyz>0</iyz></inertia>
        </inertial>{body}
      </link>
    </model>"""


def bot_car_model(name: str, pose: Pose) -> str:
    """A car of the size of ours that stands in its lane and cannot be pushed."""
    spec = CarSpec()
    hull = box_shape(spec.length, spec.width - 2.0 * WHEEL_WIDTH, 0.06)
    cabin = box_shape(0.15, 0.08, 0.04)
    tyre = (
        f"<cylinder><radius>{numbers(spec.wheel_radius)}</radius>"
        f"<length>{numbers(WHEEL_WIDTH)}</length></cylinder>"
    )
    parts = [
        collision(name, box_shape(spec.length, spec.width, 0.12), "0 0 0.06 0 0 0"),
        visual("hull", hull, _lit(BOT), "0 0 0.055 0 0 0"),
        visual("cabin", cabin, _lit(BOT_CABIN), "-0.03 0 0.1 0 0 0"),
    ]
    for k, (x, y) in enumerate(spec.wheel_centers):
        place = numbers(x, y, spec.wheel_radius, pi / 2.0, 0.0, 0.0)
        parts.append(visual(f"wheel_{k}", tyre, _lit(TYRE), place))
    return f"""
    <model name="{name}">
      <static>true</static>
      <pose>{numbers(pose[0], pose[1], 0.0, 0.0, 0.0, pose[2])}</pose>
      <link name="{name}_link">{"".join(parts)}
      </link>
    </model>"""


def _posed(pose: str) -> str:
    return (
        f"""
          <pose>{pose}</pose>"""
        if pose
        else ""
    )


def _friction(mu: float) -> str:
    return f"""
          <surface>
            <friction><ode><mu>{mu:g}</mu><mu2>{mu:g}</mu2></ode></friction>
          </surface>"""


def _lit(color: RGB) -> str:
    return f"""<material>
            <ambient>{linear(color)}</ambient>
            <diffuse>{linear(color)}</diffuse>
            <specular>0 0 0 1</specular>
            <pbr><metal><roughness>1</roughness><metalness>0</metalness></metal></pbr>
          </material>"""
