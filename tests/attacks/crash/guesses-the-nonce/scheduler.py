"""Forging: writes an envelope of the supervisor's, with a guessed nonce."""

import os

body = b'{"accuracy": 1.0}'
for nonce in (b"0" * 32, b"", b"f" * 32):
    head = b'{"nonce": "%s", "ending": "exited", "exit_code": 0, "signal": null, "seconds": 0.1, "document": %d, "output": 0}'
    for descriptor in range(0, 64):
        try:
            os.write(descriptor, head % (nonce, len(body)) + b"\n" + body)
        except OSError:
            pass
os._exit(0)
