"""Publishing a leaderboard: the web site, and the formats that courses use. Never trains."""
