"""Forging: a document of 16 MB with a complaint in every byte."""

import os

document = b'{"protocol": 1, "memory": false, "violations": [' + b"0," * 2_000_000 + b'0], "recipe": null, "torch": ""}'
for descriptor in range(3, 16):
    rest = document
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        pass
os._exit(0)
