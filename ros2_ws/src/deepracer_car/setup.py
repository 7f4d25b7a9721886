from xml.etree import ElementTree

from setuptools import find_packages, setup

NAME = "deepracer_car"
package = ElementTree.parse("package.xml").getroot()

setup(
    name=NAME,
    version=package.findtext("version"),
    description=package.findtext("description"),
    license=package.findtext("license"),
    maintainer=package.findtext("maintainer"),
    maintainer_email=package.find("maintainer").get("email"),
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    python_requires=">=3.8",
    install_requires=["numpy", "opencv-python-headless"],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    entry_points={
        "console_scripts": [
            "car_node = deepracer_car.ros.car_node:main",
            "stop = deepracer_car.ros.stop:main",
        ]
    },
    zip_safe=False,
)
