"""Memory: private pages by mmap."""

import mmap

block = mmap.mmap(-1, 8 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for start in range(0, 8 << 30, 4096):
    block[start] = 1
