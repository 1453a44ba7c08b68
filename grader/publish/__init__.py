"""What a leaderboard becomes outside: the web site, and the formats that courses use. Reads, never trains."""
