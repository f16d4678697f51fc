"""ohmbench: verify and benchmark neural networks that live in analog and digital hardware."""

from importlib.metadata import version

__version__ = version("ohmbench")
