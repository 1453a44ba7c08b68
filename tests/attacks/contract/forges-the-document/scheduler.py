"""Forging: writes a document of its own to every descriptor and leaves."""

import os

document = b'{"protocol": 1, "memory": false, "violations": [], "recipe": {"accuracy": 1.0}, "torch": "", "torchvision": null}'
for descriptor in range(3, 64):
    try:
        os.write(descriptor, document)
    except OSError:
        pass
os._exit(0)
