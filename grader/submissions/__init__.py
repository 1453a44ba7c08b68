"""What students and references hand in, as files on disk."""
