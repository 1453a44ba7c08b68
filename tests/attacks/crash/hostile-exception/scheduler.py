"""Import: raises an exception that cannot be shown."""

class Bad(Exception):
    def __str__(self):
        raise ValueError


raise Bad
