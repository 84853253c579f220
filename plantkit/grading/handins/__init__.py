"""Reads what hosts export: who handed in what, and when.

A new host is a new module here, with what `Host` asks for, and its name in `reading.HOSTS`.
"""

from plantkit.grading.handins.handin import HandIn, HandIns
from plantkit.grading.handins.reading import HOSTS, read_handins

__all__ = ["HOSTS", "HandIn", "HandIns", "read_handins"]
