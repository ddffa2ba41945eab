"""Measurements, apart from the tests: nothing here is collected by pytest but what checks the measuring itself."""
