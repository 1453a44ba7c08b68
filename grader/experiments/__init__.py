"""Studies and comparisons of schedules, and their reports."""
