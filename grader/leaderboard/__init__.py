"""The leaderboard: its data, its rules, its file, and the uncertainty of its order."""
