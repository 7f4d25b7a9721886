#!/bin/bash
# Runs a command with our packages, and unless the first word is --no-ros with the car's ROS, around it.
set -e
root=${DEEPRACER_ROOT:-}
if [ "$1" = --no-ros ]; then
    shift
else
    for setup in "$root"/opt/ros/*/setup.bash "$root"/opt/aws/deepracer/lib/setup.bash; do
        if [ -f "$setup" ]; then
            # shellcheck disable=SC1090
            . "$setup"
        fi
    done
fi
# Ours come first and for this command alone: what the car has installed stays as it is.
export PYTHONPATH="$root/opt/deepracer_car/lib${PYTHONPATH:+:$PYTHONPATH}"
exec "$@"
