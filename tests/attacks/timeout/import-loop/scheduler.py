"""Import: a loop without end."""

while True:
    pass
