import os
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

NAME = "deepracer_sim"
package = ElementTree.parse("package.xml").getroot()


def shared(folder, parent=""):
    """Data files: everything in parent/folder, subfolders too, goes to share/<package>/folder."""
    files = sorted(
        path
        for path in Path(parent, folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    if not files:
        raise SystemExit(f"{Path(parent, folder).resolve()} holds nothing to install.")
    return [
        (f"share/{NAME}/{os.path.relpath(home, parent or '.')}", [str(path) for path in paths])
        for home, paths in groupby(files, lambda path: path.parent)
    ]


setup(
    name=NAME,
    version=package.findtext("version"),
    description=package.findtext("description"),
    license=package.findtext("license"),
    maintainer=package.findtext("maintainer"),
    maintainer_email=package.find("maintainer").get("email"),
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    python_requires=">=3.10",
    # deepracer_car is not on any index, so pip must not look for it.
    install_requires=[
        "gymnasium>=1.0",
        "numba>=0.60",
        "numpy>=1.26",
        "opencv-python-headless>=4.8",
        "pyyaml>=6",
    ],
    package_data={"deepracer_sim": ["tracks/*.yaml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *shared("config"),
        *shared("launch", "../../.."),
        *shared("worlds", "../../.."),
    ],
    entry_points={
        "console_scripts": [
            "drive_node = deepracer_sim.ros.drive_node:main",
            "simulator_node = deepracer_sim.ros.simulator_node:main",
            "teleop_node = deepracer_sim.ros.teleop_node:main",
            "track_node = deepracer_sim.ros.track_node:main",
            "world_file = deepracer_sim.world_sdf:main",
        ],
    },
    zip_safe=False,
)
