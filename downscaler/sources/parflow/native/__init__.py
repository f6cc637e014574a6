"""A folder of ParFlow's own .pfb files: its ``prior.toml``, the times that names tell, and the run read from both."""

from downscaler.sources.parflow.native.description import FILE_NAME, names_states
from downscaler.sources.parflow.native.run import NativeSource

__all__ = ["FILE_NAME", "NativeSource", "names_states"]
