"""Attacks that are run on releases, and the risk they show: value, interval, baseline, control."""
