"""One invented academy seen through three vendor APIs, for demos and tests.

A second reading of the vendor sheets: it imports nothing from `steps.vendors`, so that the two can disagree.
"""
