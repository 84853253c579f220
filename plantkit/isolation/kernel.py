"""Calls to the Linux kernel that Python's standard library lacks.

Every function does nothing, and says so by returning False, on other systems.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

_PR_SET_PDEATHSIG = 1
_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4

#: Root reads a submission that another user owns by these; Landlock bounds them.
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_CAP_LAST = 63
_CAPABILITY_VERSION_3 = 0x20080522


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def is_linux() -> bool:
    return sys.platform == "linux"


def _prctl(option: int, argument: int = 0) -> int:
    if not is_linux():
        return -1
    zero = ctypes.c_ulong(0)
    return int(_libc().prctl(option, ctypes.c_ulong(argument), zero, zero, zero))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def is_dumpable() -> bool:
    """Returns whether processes of the same user may read this one's memory."""
    return _prctl(_PR_GET_DUMPABLE) != 0


def set_dumpable(dumpable: bool) -> bool:
    """Opens or closes this process's memory, descriptors and environment to the same user."""
    return _prctl(_PR_SET_DUMPABLE, int(dumpable)) == 0


def adopt_orphans() -> bool:
    """Makes this process the parent of every descendant that loses its own."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1) == 0


def die_with_parent(signal_number: int) -> bool:
    """Has `signal_number` sent to this process when its parent ends."""
    return _prctl(_PR_SET_PDEATHSIG, signal_number) == 0


def forgo_privileges() -> bool:
    """Gives up, for good, every capability but reading files, and setuid programs.

    Root without capabilities can neither raise its limits nor trace or look into others.
    """
    if _prctl(_PR_SET_NO_NEW_PRIVS, 1) != 0:
        return False
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    kept = (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH)
    for capability in range(_CAP_LAST + 1):
        if capability not in kept:
            _prctl(_PR_CAPBSET_DROP, capability)
    libc = _libc()
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapabilityData * 2)()
    if libc.capget(ctypes.byref(header), data) != 0:
        return False
    allowed = sum(1 << capability for capability in kept)
    for half, bits in enumerate((allowed, 0)):
        data[half].effective &= bits
        data[half].permitted &= bits
        data[half].inheritable = 0
    return int(libc.capset(ctypes.byref(header), data)) == 0


def close_descriptors() -> None:
    """Closes every descriptor but standard input, output and error."""
    os.closerange(3, 1 << 20)
