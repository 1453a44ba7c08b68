"""Everything that runs in a sandbox, beside student code or in its place.

Standard library and torch only (torchvision as soon as a submission names it), and nothing of the
rest of `grader`: the folder is copied into the sandbox image as it is.
"""
