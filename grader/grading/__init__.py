"""A grading run: compile, train, store, rank."""
