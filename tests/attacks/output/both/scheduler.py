"""Output: floods both streams in turn, without line ends."""

import os

while True:
    os.write(1, bytes(65536))
    os.write(2, b"\x1b[2J" * 16384)
