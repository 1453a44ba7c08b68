"""Resources: eight threads that compute for ever."""

import threading

import numpy


def spin():
    while True:
        numpy.random.rand(300, 300) @ numpy.random.rand(300, 300)


for _ in range(8):
    threading.Thread(target=spin, daemon=True).start()
spin()
