"""`python -m steps.sandbox`: serve the academy until Ctrl-C and say how to point the program at it."""

import sys

from steps.sandbox.server import serve_until_interrupted


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve_until_interrupted(_say)
