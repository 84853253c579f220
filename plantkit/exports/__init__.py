"""Competitions on other people's platforms. A new platform is a new package here, and a command
in `plantkit.cli.export`."""
