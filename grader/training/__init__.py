"""The trusted trainer: recipe, task and seed in, accuracy out. The only part of the host with torch."""
