"""The car on ROS 2: names, messages and the inference node."""
