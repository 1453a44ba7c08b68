"""Sandboxes for student code: one protocol (`grader.sandbox.base`), three implementations."""
