"""The leaderboard: its data, its rules, its file, and how sure its order is."""
