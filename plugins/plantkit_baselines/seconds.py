"""Seconds that the parts of `seek` take on the reference machine.

They are fixed models and no clock is read, so that the same seed gives the same mask. Their
constants were measured on 5x100, 10x100, 4x300 and 5x1000 and on the three networks on digits.
"""

from plantkit import Network

#: Once a process: torch loads parts of itself when an optimiser takes its first step.
FIRST_USE = 0.95


def of_gates_step(network: Network) -> float:
    """Returns the seconds of a step of `gates`, with its batch of 512."""
    convolutions = sum(len(shape) == 4 for shape in network.shapes.values())
    return 7.5e-4 + 5.6e-8 * network.total + 4.9e-5 * convolutions * network.inputs


def of_synflow(network: Network) -> float:
    return 0.1 + 3e-6 * network.total


def of_filling(network: Network, samples: int) -> float:
    """Returns the seconds of filling a mask up, whose slopes are taken once for each tensor."""
    return 0.7 * (len(network.shapes) + 1) * samples / 512 * of_gates_step(network)


def of_step(network: Network, work: float, samples: int) -> float:
    """Returns the seconds of a step in a window of so much `Network.work`, that knows samples."""
    masks = 7.1e-11 * work * (48_000 + samples)
    return 1.16e-7 * network.total + 2.2e-3 * len(network.shapes) + masks


def of_changes(computed: int, changes: int, rows: int) -> float:
    """Returns the seconds, on top of a step, that it takes to compute changes one by one.

    computed: numbers that this takes. rows: of J, from which all pairs of changes are compared.
    """
    return 6.6e-10 * computed + (2.1e-8 + 4.5e-11 * changes) * changes * rows
