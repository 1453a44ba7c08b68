"""What a student runs: the assignment's files, the check and its advice."""
