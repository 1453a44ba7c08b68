"""Ending: leaves with exit code 0 before a schedule is recorded."""

import os

os._exit(0)
