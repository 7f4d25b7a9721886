# syntax=docker/dockerfile:1
# ROS 2 Jazzy, Gazebo Harmonic and this workspace, built. docs/ros.md tells how to use it.

# What building and running share: ROS, Gazebo, and every package that the manifests name.
FROM ros:jazzy-ros-base-noble AS base
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ARG DEBIAN_FRONTEND=noninteractive
COPY ros2_ws/src/deepracer_car/package.xml /tmp/manifests/deepracer_car/
COPY ros2_ws/src/deepracer_sim/package.xml /tmp/manifests/deepracer_sim/
COPY ros2_ws/src/deepracer_agent/package.xml /tmp/manifests/deepracer_agent/
# The first line is for rosdep, which cannot be told to leave recommended packages out.
RUN echo 'APT::Install-Recommends "false";' > /etc/apt/apt.conf.d/99-only-what-is-needed \
    && apt-get update \
    && apt-get install --yes --no-install-recommends \
        libegl-mesa0 \
        libgl1-mesa-dri \
        python3-venv \
        ros-jazzy-ros-gz \
    && rosdep update --rosdistro jazzy \
    && rosdep install --rosdistro jazzy --from-paths /tmp/manifests --ignore-src --default-yes \
    && rm -rf /var/lib/apt/lists/* /tmp/manifests


# Python packages go into a virtual environment: those of Ubuntu are too old, and rviz, rqt and ros2,
# which run on the system's Python, keep the NumPy they were compiled for.
FROM base AS build
# PyTorch for CPUs. For CUDA name an index that has its build for your driver; PyPI has one.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /opt/deepracer
COPY pyproject.toml constraints.txt ./
RUN python3 -m venv venv \
    && python3 -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
print(*project["dependencies"], *project["optional-dependencies"]["train"], sep="\n")' > requirements.txt \
    && venv/bin/python -m pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" \
        --constraint constraints.txt --requirement requirements.txt colcon-common-extensions
COPY examples/ examples/
COPY launch/ launch/
COPY worlds/ worlds/
COPY ros2_ws/src/ ros2_ws/src/
# The programs run on the Python that runs colcon: the one of the virtual environment.
WORKDIR /opt/deepracer/ros2_ws
RUN . /opt/ros/jazzy/setup.sh \
    && ../venv/bin/python -m colcon build --install-base /opt/deepracer/install


FROM base AS runtime
COPY --from=build /opt/deepracer/venv/ /opt/deepracer/venv/
COPY --from=build /opt/deepracer/install/ /opt/deepracer/install/
COPY docker/entrypoint.sh /entrypoint.sh
# The image of Ubuntu brings a user with the number of most people's account; ours takes its place.
ARG USER_ID=1000
RUN userdel --remove ubuntu; useradd --create-home --uid "$USER_ID" deepracer
# The command deepracer. Not the environment's Python: rqt would take it for its own.
ENV PATH=/opt/deepracer/install/deepracer_agent/lib/deepracer_agent:$PATH
USER deepracer
WORKDIR /home/deepracer
# Made here, a volume mounted on it belongs to the user.
RUN mkdir runs
COPY examples/ examples/
# A launch ends its nodes when it is interrupted; told to terminate, it would leave them behind.
STOPSIGNAL SIGINT
ENTRYPOINT ["/entrypoint.sh"]
CMD ["ros2", "launch", "deepracer_sim", "training.launch.py", "headless:=true"]
