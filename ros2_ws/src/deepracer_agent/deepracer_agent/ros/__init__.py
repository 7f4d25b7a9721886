"""Training and evaluation as ROS 2 nodes."""
