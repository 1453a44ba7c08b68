"""Grading on many machines with Ray: trainings and sandboxes as actors; the driver alone writes the leaderboard.

Only this package imports Ray, which is an optional dependency (the extra `ray`).
"""
