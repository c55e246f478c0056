"""Person-level differential privacy: bounded contributions, integer noise, and figures that say how sure they are."""
