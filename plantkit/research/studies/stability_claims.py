"""The claims of Stabilizing the Lottery Ticket Hypothesis and its follow-up, and their judges.

References:
    arXiv 1903.01611, arXiv 1912.05671.
"""

from __future__ import annotations

from collections.abc import Callable

from plantkit.research.studies import digits
from plantkit.research.studies.claims import Claim, Evidence, Figure
from plantkit.research.studies.intervals import Interval, by_seed, differences
from plantkit.research.studies.records import Coordinate, Records

FIRST = "arXiv 1903.01611"
FOLLOW_UP = "arXiv 1912.05671"
#: A network is stable below this error barrier (arXiv 1912.05671).
STABLE = 0.02
#: How much less accurate than the dense network a subnetwork may be that still matches.
MARGIN = 0.01

Judge = Callable[[Records], Evidence]


def _values(
    records: Records, network: str, subnetwork: str, rewind: Coordinate, value: str
) -> dict[Coordinate, float]:
    return by_seed(records.where(network=network, subnetwork=subnetwork, rewind=rewind), value)


def closer_than_random(network: str, value: str) -> Judge:
    """Returns a judge: from k = 0, tickets are closer than random subnetworks are."""

    def judge(records: Records) -> Evidence:
        ends = [_values(records, network, which, 0, value) for which in ("imp", "random")]
        interval = Interval.of(differences(*ends))
        if interval is None:
            return Evidence(holds=None)
        shown = [Interval.of(list(end.values())) for end in ends]
        figures = [
            found.figure(f"{label}, k = 0")
            for found, label in zip(shown, ("iterative", "random"), strict=True)
            if found is not None
        ]
        return Evidence(holds=interval.high < 0, figures=(*figures, interval.figure("difference")))

    return judge


def falls_with_rewinding(network: str, subnetwork: str, value: str) -> Judge:
    """Returns a judge: at the latest rewinding step a value is below that at step 0."""

    def judge(records: Records) -> Evidence:
        here = records.where(network=network, subnetwork=subnetwork)
        latest = max((int(rewind) for rewind in here.distinct("rewind")), default=0)
        if latest == 0:
            return Evidence(holds=None)
        late, early = (_values(records, network, subnetwork, step, value) for step in (latest, 0))
        interval = Interval.of(differences(late, early))
        if interval is None:
            return Evidence(holds=None)
        return Evidence(
            holds=interval.high < 0, figures=(interval.figure(f"k = {latest} less k = 0"),)
        )

    return judge


def mends(network: str) -> Judge:
    """Returns a judge: where tickets from k = 0 surely do not match, those of the latest k do.

    The latest k, not any: the best of several would often match by chance.
    """

    def judge(records: Records) -> Evidence:
        rewinds = sorted(
            int(rewind) for rewind in records.where(network=network).distinct("rewind")
        )
        found: dict[int, Interval] = {}
        for rewind in rewinds:
            interval = Interval.of(
                differences(
                    _values(records, network, "imp", rewind, "accuracy"),
                    _values(records, network, "dense", rewind, "accuracy"),
                )
            )
            if interval is not None:
                found[rewind] = interval
        figures = tuple(
            interval.figure(f"accuracy less dense, k = {rewind}")
            for rewind, interval in found.items()
        )
        latest = max(found, default=0)
        if 0 not in found or latest == 0 or found[0].high > -MARGIN:
            return Evidence(holds=None, figures=figures)  # nothing to mend, or nothing to mend it
        gain = Interval.of(
            differences(
                _values(records, network, "imp", latest, "accuracy"),
                _values(records, network, "imp", 0, "accuracy"),
            )
        )
        if gain is None:
            return Evidence(holds=None, figures=figures)
        return Evidence(
            holds=gain.low > 0 and found[latest].low > -MARGIN,
            figures=(*figures, gain.figure(f"accuracy, k = {latest} less k = 0")),
        )

    return judge


def stable_when_matching(network: str) -> Judge:
    """Returns a judge: subnetworks match the dense accuracy where, and only where, stable."""

    def judge(records: Records) -> Evidence:
        here = records.where(network=network)
        figures: list[Figure] = []
        agree = []
        for rewind in sorted(int(step) for step in here.distinct("rewind")):
            for which in ("imp", "random"):
                barrier = Interval.of(
                    list(_values(records, network, which, rewind, "barrier").values())
                )
                gap = Interval.of(
                    differences(
                        _values(records, network, which, rewind, "accuracy"),
                        _values(records, network, "dense", rewind, "accuracy"),
                    )
                )
                if barrier is None or gap is None:
                    continue
                agree.append((barrier.mean < STABLE) == (gap.mean > -MARGIN))
                figures.append(barrier.figure(f"{which}, k = {rewind}: barrier"))
                figures.append(gap.figure(f"{which}, k = {rewind}: accuracy less dense"))
        return Evidence(holds=all(agree) if agree else None, figures=tuple(figures))

    return judge


def stable_early(network: str) -> Judge:
    """Returns a judge: the dense network is stable from the latest step k > 0 on."""

    def judge(records: Records) -> Evidence:
        here = records.where(network=network, subnetwork="dense")
        found = {
            rewind: interval
            for rewind in sorted(int(step) for step in here.distinct("rewind"))
            if (
                interval := Interval.of(
                    list(_values(records, network, "dense", rewind, "barrier").values())
                )
            )
        }
        latest = max(found, default=0)
        figures = tuple(found[rewind].figure(f"barrier, k = {rewind}") for rewind in found)
        return Evidence(
            holds=found[latest].high < STABLE if latest else None,
            figures=figures,
        )

    return judge


def claims_of(network: str) -> list[Claim]:
    """Returns the papers' claims as they are judged on one of the study's networks."""

    def claim(id_: str, text: str, source: str, criterion: str, judge: Judge) -> Claim:
        return Claim(
            id=f"{network}-{id_}",
            claim=f"{digits.TITLES[network].capitalize()}: {text}",
            source=source,
            criterion=criterion,
            judge=judge,
        )

    below = "paired over seeds, the 95% interval of the difference is below 0"
    return [
        claim("pruning", "winning tickets are more stable to pruning than random subnetworks",
              FIRST, f"L2 distance at k = 0: {below}", closer_than_random(network, "prune_l2")),
        claim("order", "winning tickets are more stable to data order than random subnetworks",
              FIRST, f"L2 distance at k = 0: {below}", closer_than_random(network, "order_l2")),
        claim("rewinding-order", "rewinding makes subnetworks more stable to data order", FIRST,
              f"L2 distance, latest k less k = 0: {below}",
              falls_with_rewinding(network, "imp", "order_l2")),
        claim("rewinding-pruning", "rewinding makes subnetworks more stable to pruning", FIRST,
              f"L2 distance, latest k less k = 0: {below}",
              falls_with_rewinding(network, "imp", "prune_l2")),
        claim("rewinding-mends", "rewinding past a small k finds subnetworks that match where "
              "k = 0 does not", FIRST, f"accuracy less dense, 95% interval: above -{MARGIN} at the "
              "latest k, where tickets are also more accurate than at k = 0; not tested unless the "
              f"interval at k = 0 is below -{MARGIN}",
              mends(network)),
        claim("dense-stable", "dense networks are stable from early in training on", FOLLOW_UP,
              f"at the latest k the 95% interval of the error barrier is below {100 * STABLE:g}%",
              stable_early(network)),
        claim("rewinding-barrier", "rewinding lowers a ticket's error barrier", FOLLOW_UP,
              f"error barrier, latest k less k = 0: {below}",
              falls_with_rewinding(network, "imp", "barrier")),
        claim("stable-match", "subnetworks match the dense network's accuracy when, and only "
              "when, they are stable", FOLLOW_UP,
              f"for every k and both subnetworks: mean barrier below {100 * STABLE:g}% exactly "
              f"where the mean accuracy is above the dense one less {MARGIN}",
              stable_when_matching(network)),
    ]  # fmt: skip
