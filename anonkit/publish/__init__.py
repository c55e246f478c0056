"""Write the bundle, let the gate recount it, hand it over; or refuse and hand over nothing."""

from anonkit.publish.gate import run_gate
from anonkit.publish.handover import Handover
from anonkit.publish.spec import ReleaseSpec
from anonkit.publish.write import write_bundle

__all__ = ["Handover", "ReleaseSpec", "run_gate", "write_bundle"]
