"""The trusted trainer: from recipe, task and seed to accuracy. The only part of the host that imports torch."""
