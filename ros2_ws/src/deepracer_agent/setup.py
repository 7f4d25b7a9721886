from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

NAME = "deepracer_agent"
package = ElementTree.parse("package.xml").getroot()
# The example is a folder of the racers' own, and belongs to nobody's package.
quickstart = sorted(str(path) for path in Path("../../../examples/quickstart").glob("*.*"))
if not quickstart:
    raise SystemExit("../../../examples/quickstart holds nothing to install.")

setup(
    name=NAME,
    version=package.findtext("version"),
    description=package.findtext("description"),
    license=package.findtext("license"),
    maintainer=package.findtext("maintainer"),
    maintainer_email=package.find("maintainer").get("email"),
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["on_car/*"]},
    python_requires=">=3.10",
    # deepracer_car and deepracer_sim are not on any index, so pip must not look for them.
    install_requires=[
        "av>=12",
        "matplotlib>=3.8",
        "onnx>=1.16",
        "onnxruntime>=1.17",
        "numpy>=1.26",
        "opencv-python-headless>=4.8",
        "openvino>=2024.4",
        "pydantic>=2.6",
        "pyyaml>=6",
        "rich>=13",
        "stable-baselines3>=2.6",
        "tensorboard>=2.15",
        "torch>=2.3",
        "typer>=0.19",
    ],
    entry_points={
        "console_scripts": [
            "deepracer = deepracer_agent.cli:main",
            "evaluation_node = deepracer_agent.ros.evaluation_node:main",
            "trainer_node = deepracer_agent.ros.trainer_node:main",
        ],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/examples/quickstart", quickstart),
    ],
    zip_safe=False,
)
