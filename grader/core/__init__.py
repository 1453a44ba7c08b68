"""What everything may import: the plain data that crosses boundaries, and files, text and errors."""
