"""`python -m sons_tracker.cli`: the same as `sons-tracker`."""

from sons_tracker.cli import main

main()
