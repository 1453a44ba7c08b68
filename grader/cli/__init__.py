"""The command line: the only package that prints, and the sole owner of exit codes."""
