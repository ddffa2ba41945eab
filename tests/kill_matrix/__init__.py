"""The kill matrix: a run is hit at a point, the same command is run again, and nothing may be lost."""
