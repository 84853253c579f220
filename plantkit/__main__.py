"""`python -m plantkit`."""

from plantkit.cli import main

main()
