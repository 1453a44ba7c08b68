"""The student's files, as their code objects name them."""

FILES = ("scheduler.py", "config.py")
