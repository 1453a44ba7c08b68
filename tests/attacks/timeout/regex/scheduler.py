"""Resources: a regular expression that goes back exponentially."""

import re

re.match("(a*)*b", "a" * 64)
