"""Memory: one giant block."""

block = bytearray(6 << 30)
