"""Python imports this at its start where `python tests/like` put it on the path."""

from likeness.install import install

install()
