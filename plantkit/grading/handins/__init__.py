"""Reads what hosts export: who handed in what, and when.

A new host is a new module here.
"""

from plantkit.grading.handins.handin import HandIn, HandIns

__all__ = ["HandIn", "HandIns"]
