"""What is loaded by path is no test module of its own."""

collect_ignore = ["recount_places.py"]
