"""The main job and the steps of it that a notebook calls."""

from anonkit.pipeline.run import STAGES, ReleaseResult, release

__all__ = ["STAGES", "ReleaseResult", "release"]
