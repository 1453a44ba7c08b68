"""Torchvision's common transforms on whole batches, with a draw per image.

Torchvision's own draw once per call, so a batch needs one call per image. Here all images of an
epoch are drawn for at once, from the distributions that torchvision documents, and a batch is
transformed in a few large operations, on the CPU or a GPU. `compiler.compile_calls` makes them of a
recipe's calls.
"""
