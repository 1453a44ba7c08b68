"""Where student code runs: one protocol (`grader.sandbox.base`), three ways to keep it in."""
