"""The car: what training and driving must share to the byte."""

__version__ = "0.1.0"
