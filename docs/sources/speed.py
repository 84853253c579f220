"""Figures of speed."""

from __future__ import annotations

from sources import RESULTS, read, source, table

IMAGE_SPEED = RESULTS / "image-speed.json"


@source
def image_speed() -> str:
    """Returns a table of how fast networks on images train; see `benchmarks/image_ratios.py`."""
    cases = ("1 runs", "2 runs", "8 runs", "24 runs", "limit")
    rows = [
        (
            f"`{name}`",
            f"{found['pixels']}x{found['pixels']}",
            f"{found['parameters']:,}",
            f"{found['plain_ms']:.1f}",
            *(f"{found[case]:.1f}" if case in found else "" for case in cases),
        )
        for name, found in read(IMAGE_SPEED)["networks"].items()
    ]
    head = "network | pixels | parameters | plain loop, ms | 1 run | 2 runs | 8 | 24 | limit"
    return table(head, rows)


@source
def image_speed_load() -> str:
    """Returns the load of the machine at the end of these measurements."""
    return str(read(IMAGE_SPEED)["load"])


@source
def times_faster(name: str, case: str) -> str:
    """Returns how many times faster a network on images trains; `_` in a case is a space."""
    return f"{read(IMAGE_SPEED)['networks'][name][case.replace('_', ' ')]:.1f}"
