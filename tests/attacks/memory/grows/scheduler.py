"""Memory: grows block by block."""

blocks = []
while True:
    blocks.append(bytearray(64 << 20))
