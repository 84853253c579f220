"""Misspells the hook."""


def plantkit_pruner():
    return []
