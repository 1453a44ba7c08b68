"""Resources: an integer of a billion digits."""

x = 10 ** (10**9)
