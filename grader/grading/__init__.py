"""A grading run: compile, train, keep, rank."""
