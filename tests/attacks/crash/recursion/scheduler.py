"""Import: recursion without end."""

def f():
    return f()


f()
