"""Foreign text, made fit to be shown."""


def clean(text: str) -> str:
    """`text` with every unprintable character (control, bidirectional, line break) made visible as `?`."""
    return "".join(c if c.isprintable() else "?" for c in text)
