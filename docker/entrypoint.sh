#!/bin/bash
# Makes ROS and the workspace known to the command that follows, and becomes it.
set -e
source /opt/deepracer/install/setup.bash
exec "$@"
