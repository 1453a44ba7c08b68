"""The trusted trainer: recipe, task and seed in, accuracy out. The only part of the host with torch."""

#: Raised whenever the same recipe and seed would give other numbers; stored results then do not count.
TRAINER_VERSION = "2"
