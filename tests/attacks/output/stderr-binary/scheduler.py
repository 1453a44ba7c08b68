"""Output: floods stderr with bytes that are no text."""

import os

while True:
    os.write(2, bytes(range(256)) * 256)
