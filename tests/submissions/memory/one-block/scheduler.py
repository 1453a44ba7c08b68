block = bytearray(6 << 30)
