"""Receives a supervisor's envelope on the host: bounded, and accepted only with our nonce."""

import json
from typing import BinaryIO

from grader.sandbox.inside.supervisor import OUTPUT_KEPT, Envelope, Limits

_HEADER = 4096


class BrokenEnvelope(Exception):
    """No envelope, or not one of our supervisor: the sandbox failed."""


def receive(stream: BinaryIO, nonce: str, limits: Limits) -> Envelope:
    """Read one envelope. Raises BrokenEnvelope."""
    line = stream.readline(_HEADER)
    if not line.endswith(b"\n"):
        raise BrokenEnvelope("the supervisor ended without an envelope")
    try:
        header = json.loads(line)
        if header["nonce"] != nonce:
            raise BrokenEnvelope("an envelope that is not ours")
        document, output = int(header["document"]), int(header["output"])
        # One read of the supervisor may overshoot the document's limit; it kept the rest back.
        if not (0 <= document <= limits.document + (1 << 17) and 0 <= output <= OUTPUT_KEPT):
            raise BrokenEnvelope("an envelope larger than its limits")
        envelope = Envelope(
            ending=str(header["ending"]),
            exit_code=header["exit_code"],
            signal=header["signal"],
            seconds=float(header["seconds"]),
            document=stream.read(document),
            output=stream.read(output),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise BrokenEnvelope(f"an envelope that cannot be read: {error}") from None
    if len(envelope.document) != document or len(envelope.output) != output:
        raise BrokenEnvelope("an envelope that ended early")
    return envelope
