"""Output: an exception with a message of 100 million characters."""

raise ValueError("x" * 100_000_000)
