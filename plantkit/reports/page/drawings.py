"""Networks as a page draws them: which parameters the ticket and the masks keep, in few bytes.

A mask becomes two bits a parameter, in the order of the network: whether it is kept, and whether
it is kept but lies on no path from an input to an output. They are compressed by zlib.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from plantkit.challenges.facts import ChallengeFacts
from plantkit.errors import ResultsError
from plantkit.networks import Network, bias_name, flatten, network_from_json, weight_name
from plantkit.networks.layouts import has_channels, layer_names
from plantkit.networks.masks import Mask
from plantkit.scoring.evaluation import Evaluation
from plantkit.scoring.records import Record

#: Most characters of masks in one page. What does not fit is left out, and the page says so.
MOST_CHARACTERS = 2 * 1024 * 1024
#: In the place of a mask's number: the run failed, its mask was not kept, or it did not fit.
FAILED, NOT_KEPT, LEFT_OUT = -1, -2, -3


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawings:
    """What the page's script draws, and how many runs it cannot.

    has_channels: whether some network has convolutions.
    value: JSON, read by page.js. A run is its pruner's place in the standings, its density in
    words, its seed, and the number of its mask or why there is none; `start` is shown first.
        Where overlap is not scored, what a mask keeps outside of the ticket is not called wrong.
    """

    value: Mapping[str, Any]
    shown: int
    not_kept: int
    left_out: int
    has_channels: bool


def drawings_of(
    evaluation: Evaluation, tickets: Mapping[str, Mask], most_characters: int = MOST_CHARACTERS
) -> Drawings:
    """Returns the networks of those challenges whose tickets are given, by digest.

    The first seeds and the lowest densities come first, as far as `most_characters` go. Nothing
    is told of other challenges: a mask that found the ticket would give it away.
    """
    drawn = [one for one in evaluation.challenges if one.digest in tickets]
    networks = [network_of(challenge) for challenge in drawn]
    place = {challenge.digest: number for number, challenge in enumerate(drawn)}
    records = [one for one in evaluation.records if one.bundle_sha256 in place]
    numbers: dict[tuple[str, str], int] = {}  # digests of challenge and mask to a number
    masks: list[str] = []
    size = 0
    left_out = set()
    for record in sorted(records, key=lambda one: (one.seed, one.target_density)):
        key = (record.bundle_sha256, record.mask_sha256 or "")
        mask = evaluation.masks.get(key[1])
        network = networks[place[key[0]]]
        if mask is None or key in numbers or key in left_out or not _fits(network, mask):
            continue
        text = encode(network, mask)
        if size + len(text) > most_characters:
            left_out.add(key)
            continue
        size += len(text)
        numbers[key] = len(masks)
        masks.append(text)

    def number_of(record: Record) -> int:
        key = (record.bundle_sha256, record.mask_sha256 or "")
        if record.mask_sha256 is None:
            return FAILED
        return numbers.get(key, LEFT_OUT if key in left_out else NOT_KEPT)

    def entry_of(record: Record) -> list[Any]:
        density = f"{record.density_multiple:.3g}x ({record.target_density:.3g})"
        return [order[record.pruner], density, record.seed, number_of(record)]

    order = {standing.pruner: place for place, standing in enumerate(evaluation.standings)}
    runs: list[list[list[Any]]] = [[] for _ in drawn]
    for record in sorted(records, key=lambda one: (order[one.pruner], one.target_density)):
        runs[place[record.bundle_sha256]].append(entry_of(record))
    counts = [run[3] for challenge in runs for run in challenge]
    best = max(
        (one for one in records if number_of(one) >= 0),
        key=lambda one: (one.is_planted_density, one.overlap["recall"]),
        default=None,
    )
    return Drawings(
        value={
            "start": None if best is None else [place[best.bundle_sha256], *entry_of(best)],
            "masks": masks,
            "challenges": [
                {
                    "id": challenge.id,
                    "overlap_scored": challenge.overlap_scored,
                    **layout(network),
                    "ticket": encode(network, tickets[challenge.digest]),
                    "runs": mine,
                }
                for challenge, network, mine in zip(drawn, networks, runs, strict=True)
            ],
        },
        shown=sum(number >= 0 for number in counts),
        not_kept=counts.count(NOT_KEPT),
        left_out=counts.count(LEFT_OUT),
        has_channels=any(map(has_channels, networks)),
    )


def network_of(challenge: ChallengeFacts) -> Network:
    """Returns a challenge's network.

    Raises:
        ResultsError: results describe one that cannot be.
    """
    try:
        return network_from_json(challenge.manifest["network"])
    except (ValueError, TypeError, KeyError) as error:
        raise ResultsError(f"the network of {challenge.id} cannot be: {error}") from error


def layout(network: Network) -> dict[str, Any]:
    """Returns where a network's parameters are drawn.

    columns: how many channels each has. layers: the name, the columns that it reads and writes,
    how many entries join two channels, and the places of its first weight and its first bias among
    all parameters; -1 if it has no bias. shortcuts: pairs of columns. total: of parameters.
    """
    wiring, place = network.wiring, 0
    first = {}
    for name, size in network.sizes.items():
        first[name] = place
        place += size
    return {
        "columns": list(wiring.columns),
        "layers": [
            {
                "name": name,
                "source": link.source,
                "target": link.target,
                "taps": link.taps,
                "weights": first[weight_name(layer)],
                "biases": first.get(bias_name(layer), -1),
            }
            for layer, (name, link) in enumerate(
                zip(layer_names(network), wiring.links, strict=True)
            )
        ],
        "shortcuts": [list(pair) for pair in wiring.shortcuts],
        "total": network.total,
    }


def encode(network: Network, mask: Mask) -> str:
    """Returns the kept bits and the dead bits of a mask, packed, compressed and in Base64."""
    kept = flatten(network, mask).numpy()
    alive = flatten(network, network.connected(mask)).numpy()
    packed = np.packbits(np.concatenate([kept, kept & ~alive]))
    return base64.b64encode(zlib.compress(packed.tobytes(), 9)).decode("ascii")


def _fits(network: Network, mask: Mask) -> bool:
    return {name: tuple(value.shape) for name, value in mask.items()} == network.shapes
