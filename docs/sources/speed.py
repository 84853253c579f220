"""Figures of speed."""

from __future__ import annotations

from statistics import median

from sources import RESULTS, read, source, table

SPEED = RESULTS / "speed.json"


@source
def speed_profile() -> str:
    """Returns a table of where a dense run's time goes; see `benchmarks/speed.py`."""
    head = "network | runs | in a batch | plain loop, µs | a run, µs | products | Adam | rest"
    head += " | times faster | of the peak | plain loop's | limit"
    return table(
        head,
        [
            (
                f"`{row['network']}`",
                row["runs"],
                row["together"],
                *(f"{row[key]:,.0f}" for key in ("plain", "whole", "products", "adam", "rest")),
                f"{row['times']:.1f}",
                *(f"{row[key]:.0%}" for key in ("peak", "plain_peak")),
                f"{row['limit']:.1f}",
            )
            for row in read(SPEED)["profile"]
        ],
    )


@source
def speed_densities() -> str:
    """Returns a table of how many times faster masked runs train, by width and density."""
    rows = read(SPEED)["densities"]
    columns = sorted({row["density"] for row in rows}, reverse=True)
    found: dict[tuple[str, int, str], dict[float, str]] = {}
    for row in rows:
        for mask in ("random", "magnitude") if row["density"] == 1 else (row["mask"],):
            case = (row["network"], row["runs"], mask)
            found.setdefault(case, {})[row["density"]] = f"{row['times']:.1f}"
    head = "network | runs | mask | " + " | ".join(f"{density:g}" for density in columns)
    return table(
        head,
        [
            (f"`{network}`", runs, mask, *(by_density.get(density, "") for density in columns))
            for (network, runs, mask), by_density in found.items()
        ],
    )


@source
def speed_profiled(network: str, runs: str, key: str = "times") -> str:
    """Returns a figure of the profile: how many times faster, or another column."""
    [row] = [
        row
        for row in read(SPEED)["profile"]
        if (row["network"], row["runs"]) == (network, int(runs))
    ]
    return f"{row[key]:.0%}" if "peak" in key else f"{row[key]:.1f}"


@source
def speed_jobs() -> str:
    """Returns a table of two jobs against one, round by round, with the medians."""
    rounds = read(SPEED)["jobs"]
    medians = {key: median(row[key] for row in rounds) for key in rounds[0]}
    names = [*map(str, range(1, len(rounds) + 1)), "median"]
    return table(
        "round | " + " | ".join(medians),
        [
            (name, *(f"{value:.2f}" for value in row.values()))
            for name, row in zip(names, [*rounds, medians], strict=True)
        ],
    )


@source
def speed_memory() -> str:
    """Returns a table of peak memory by the number of networks that are measured."""
    return table("networks measured | peak MiB", read(SPEED)["memory"].items())


@source
def speed_start() -> str:
    """Returns a table of what it costs to start programs."""
    found = read(SPEED)["start"].items()
    return table("program | CPU seconds", [(f"`{name}`", f"{cost:.2f}") for name, cost in found])


@source
def speed_load() -> str:
    """Returns the load of the machine at the end of these measurements."""
    return str(read(SPEED)["load"])


@source
def image_speed() -> str:
    """Returns a table of how fast networks on images train."""
    cases = ("1 runs", "2 runs", "8 runs", "24 runs", "limit")
    rows = [
        (
            f"`{name}`",
            f"{found['pixels']}x{found['pixels']}",
            f"{found['parameters']:,}",
            f"{found['plain_ms']:.1f}",
            *(f"{found[case]:.1f}" if case in found else "" for case in cases),
        )
        for name, found in read(SPEED)["images"].items()
    ]
    head = "network | pixels | parameters | plain loop, ms | 1 run | 2 runs | 8 | 24 | limit"
    return table(head, rows)


@source
def times_faster(name: str, case: str) -> str:
    """Returns how many times faster a network on images trains; `_` in a case is a space."""
    return f"{read(SPEED)['images'][name][case.replace('_', ' ')]:.1f}"
