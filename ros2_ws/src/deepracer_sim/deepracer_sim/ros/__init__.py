"""The simulator on ROS 2: the embedded one as a node, and any one behind topics as `Simulator`."""
