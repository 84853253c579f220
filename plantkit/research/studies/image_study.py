"""Studies that train networks on images: those of the papers, or small ones on digits instead."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from plantkit.errors import UsageError
from plantkit.networks.training import Device
from plantkit.planting.images.family import DATA_VARIABLE
from plantkit.reports.tables import Table
from plantkit.research.studies.bench import Bench, measured_pace
from plantkit.research.studies.calibration import Calibration
from plantkit.research.studies.plotting import Line, Panel, draw_panels
from plantkit.research.studies.records import Coordinates, Records, StudyRecord
from plantkit.research.studies.setups import DIGITS, SETUPS
from plantkit.research.studies.splits import data_directory, fingerprint, is_there
from plantkit.research.studies.study import Plot, Selection, Study, Unit

#: Values that people read in percent.
_PERCENT = frozenset(
    {"early_accuracy", "final_accuracy", "untrained_accuracy", "accuracy", "barrier"}
)
#: Samples that are looked at, of each data set: to stop at, and to test on.
_LOOKED_AT: Mapping[str, int] = {DIGITS: 297, "mnist": 5_000, "cifar10": 5_000}


class ImageStudy(Study):
    """A study whose units train a network of `SETUPS` with one seed; its records have both.

    The grid has the papers' networks whose data the user has, and those on digits that stand in
    for the others.

    Attributes:
        networks: names of the setups that it is about.
        x_label, log_x: of all plots.
        shown: names of the values to plot, each to the label of its axis.
        caption: of the one picture.
    """

    on_images: ClassVar[bool] = True
    networks: ClassVar[Sequence[str]]
    x_label: ClassVar[str]
    log_x: ClassVar[bool]
    shown: ClassVar[Mapping[str, str]]
    caption: ClassVar[str]

    @abstractmethod
    def settings(self, network: str, *, quick: bool) -> list[Coordinates]:
        """Returns the further coordinates of the units of a network and a seed."""

    @abstractmethod
    def trainings(self, coordinates: Coordinates) -> float:
        """Returns how many whole trainings a unit takes."""

    @abstractmethod
    def looks(self, coordinates: Coordinates) -> int:
        """Returns how often each training is looked at."""

    @abstractmethod
    def measured(
        self, bench: Bench, coordinates: Coordinates
    ) -> Iterator[tuple[Coordinates, Mapping[str, float | None]]]:
        """Yields the records of a unit: coordinates besides network and seed, and values."""

    @abstractmethod
    def table(self, network: str, records: Records) -> Table:
        """Returns the table of one network's records."""

    @abstractmethod
    def curves(self, records: Records) -> dict[str, dict[float, Records]]:
        """Returns the lines to plot of one network: label to the records at every x."""

    def units(self, *, quick: bool, seeds: int | None) -> list[Unit]:
        count = (3 if quick else 5) if seeds is None else seeds
        return [
            Unit(
                study=self.name,
                coordinates={
                    "network": network,
                    "steps": SETUPS[network].steps,
                    **setting,
                    "seed": seed,
                },
            )
            for seed in range(count)  # first, so that a part of the grid is of use
            for network in self.networks
            for setting in self.settings(network, quick=quick)
            if not quick or SETUPS[network].data == DIGITS
        ]

    def select(self, selection: Selection) -> list[Unit]:
        """See `Study.select`.

        Raises:
            UsageError: also where a network was chosen whose files are not there, or files are
                damaged.
        """
        if selection.quick and selection.data is not None:
            raise UsageError("the quick grid is on digits; leave out --data, or --quick")
        Device.checked(selection.device)
        directory = None if selection.quick else data_directory(selection.data)
        has = {DIGITS}
        if directory is not None:
            has |= {data for data in self._data() if is_there(data, directory)}
            if selection.data is not None and has == {DIGITS}:
                raise UsageError(
                    f"{directory}: has no files of {' or '.join(self._data())}; expected those "
                    "that plantkit plant reads (docs/families/images.md)"
                )
        found = []
        for unit in self.grid(selection):
            setup = SETUPS[str(unit.coordinates["network"])]
            if "network" not in selection.chosen and self._is_left_out(unit, has):
                continue
            if setup.data not in has:
                where = f"; {directory} has none" if directory is not None else ""
                raise UsageError(
                    f"network {unit.coordinates['network']!r} needs the files of {setup.data}; "
                    f"give their directory with --data DIR, or in {DATA_VARIABLE}{where}"
                )
            found.append(self._placed(unit, setup.data, directory, selection.device))
        return found

    def expected(self, selection: Selection, found: Records) -> list[Unit]:
        """Returns the units that a run selects where there are files as in what was found."""
        has = {DIGITS, *(SETUPS[str(name)].data for name in found.distinct("network"))}
        return [unit for unit in self.grid(selection) if not self._is_left_out(unit, has)]

    def _data(self) -> list[str]:
        """Returns the names of the data sets that need files."""
        named = (SETUPS[network].data for network in self.networks)
        return [data for data in dict.fromkeys(named) if data != DIGITS]

    def _is_left_out(self, unit: Unit, has: set[str]) -> bool:
        """Returns whether a network's data are not there, or those that it stands in for are."""
        setup = SETUPS[str(unit.coordinates["network"])]
        replaced = [SETUPS[name].data for name in setup.stands_for if name in self.networks]
        return setup.data not in has or any(data in has for data in replaced)

    def _placed(self, unit: Unit, data: str, directory: Path | None, device: str) -> Unit:
        setting = (
            {} if device == Device.CPU else {f"device of {unit.coordinates['network']}": device}
        )
        if data == DIGITS:
            return replace(unit, device=device, setting=setting)
        assert directory is not None
        setting[f"files of {data}"] = fingerprint(data, directory)
        return replace(unit, data=directory.resolve(), device=device, setting=setting)

    def calibrated(self, units: Sequence[Unit]) -> Calibration:
        places = {(str(unit.coordinates["network"]), unit.device) for unit in units}
        paces = {name: measured_pace(name, device) for name, device in sorted(places)}
        return Calibration(seconds_per_step=0.0, seconds_per_parameter=0.0, paces=paces)

    def seconds(self, unit: Unit, calibration: Calibration) -> float:
        name, steps = str(unit.coordinates["network"]), int(unit.coordinates["steps"])
        setup = SETUPS[name]
        pace = calibration.paces.get(name)
        if pace is None:
            batches = setup.recipe.batch_size / 32  # the calibration's batches are of 32
            each = calibration.training_seconds(round(setup.network.work * batches), steps)
        else:
            looked_at = self.looks(unit.coordinates) * _LOOKED_AT[setup.data]
            each = steps * pace.step + looked_at * pace.look
        return self.trainings(unit.coordinates) * each

    def run(self, unit: Unit) -> list[StudyRecord]:
        at = unit.coordinates
        data = SETUPS[str(at["network"])].data
        if (
            unit.data is not None
            and fingerprint(data, unit.data) != unit.setting[f"files of {data}"]
        ):
            raise UsageError(
                f"{unit.data}: the files of {data} are not those that the study began with"
            )
        bench = Bench(
            str(at["network"]),
            int(at["seed"]),
            steps=int(at["steps"]),
            directory=unit.data,
            device=unit.device,
        )
        own = {name: at[name] for name in ("network", "seed")}
        return [
            StudyRecord(coordinates={**own, **where}, values=values)
            for where, values in self.measured(bench, at)
        ]

    def tables(self, records: Records) -> list[Table]:
        return [self.table(str(name), here) for name, here in records.by("network").items()]

    def draw(self, records: Records, directory: Path) -> list[Plot]:
        path = directory / f"{self.name}.svg"
        draw_panels(
            [
                [self._panel(str(network), value, self.curves(here)) for value in self.shown]
                for network, here in records.by("network").items()
            ],
            path,
        )
        return [Plot(path=path, caption=self.caption)]

    def _panel(self, title: str, value: str, curves: dict[str, dict[float, Records]]) -> Panel:
        lines = [
            Line.of(label, {x: shown_values(at, value) for x, at in line.items()})
            for label, line in curves.items()
        ]
        return Panel(
            title=title,
            lines=tuple(line for line in lines if line.points),
            x_label=self.x_label,
            y_label=self.shown[value],
            log_x=self.log_x,
        )


def shown_values(records: Records, value: str) -> list[float]:
    """Returns the values as people read them: shares in percent."""
    factor = 100.0 if value in _PERCENT else 1.0
    return [factor * found for found in records.values(value)]
