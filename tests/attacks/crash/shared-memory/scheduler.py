"""Memory: shared memory, which limits on a process do not count."""

import mmap

block = mmap.mmap(-1, 8 << 30)
for start in range(0, 8 << 30, 4096):
    block[start] = 1
