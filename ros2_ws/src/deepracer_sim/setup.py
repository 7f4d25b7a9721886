from xml.etree import ElementTree

from setuptools import find_packages, setup

NAME = "deepracer_sim"
package = ElementTree.parse("package.xml").getroot()

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
    ],
    zip_safe=False,
)
