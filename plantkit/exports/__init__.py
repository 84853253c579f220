"""Writes suites as competitions of other platforms.

A new platform is a new package here, and a command in `plantkit.cli.export`.
"""
