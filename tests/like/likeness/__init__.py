"""What Linux has and another system lacks, hidden from some code.

Code of this project, its tests and submissions gets views of the standard library's modules:
without the names that the other system lacks, as typeshed knows them, and with its own values of
`sys.platform` and the like. Python itself and installed packages keep the real modules, as they
have other means on the other system. How the other system behaves where Linux behaves otherwise is
in `windows` and `macos`.
"""

from __future__ import annotations

#: The systems, and what `sys.platform` is there.
PLATFORMS = {"windows": "win32", "macos": "darwin"}
#: The variable that holds the path of a likeness: the system, and what it lacks.
VARIABLE = "PLANTKIT_TESTS_LIKE"
