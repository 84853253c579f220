"""The board as pages that any web server can show: the same bytes for the same board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from plantkit.board import tables
from plantkit.board.contest import Content, Phase, Submission
from plantkit.board.database import BOARD_FILE, copy
from plantkit.board.places import Track, places_of, standings_of
from plantkit.challenges.facts import ChallengeFacts
from plantkit.challenges.manifests import network_words
from plantkit.files import write_whole
from plantkit.reports.html import render
from plantkit.reports.telling import OVERLAP_NOTE, is_overlap_telling
from plantkit.reports.templates import fill_in
from plantkit.scoring.evaluation import Evaluation
from plantkit.scoring.ranking import rank
from plantkit.scoring.records import Record
from plantkit.version import __version__


def build_site(
    board: Path,
    content: Content,
    directory: Path,
    *,
    all_reports: bool = False,
    report: Callable[[Evaluation], str] = render,
) -> list[Path]:
    """Writes the pages of a board into `directory`, and returns their files.

    Before the contest is finished they hold nothing of the final phase but the digests of its
    challenges, and of sealed challenges no overlap by density. The board's own file, which has
    both, is among them afterwards.

    Args:
        board: the file that `content` was read from.
        all_reports: every submission gets its report; else those that count, since a report takes
            two seconds and a megabyte.
        report: makes the report of a run, a page of HTML.
    """
    site = _Site(content, report, all_reports=all_reports)
    files = site.pages()
    written = []
    for name, text in sorted(files.items()):
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, text)
        written.append(target)
    if site.is_open:
        copy(board, directory / BOARD_FILE)
        written.append(directory / BOARD_FILE)
    return written


class _Site:
    """The pages of a board. is_open: whether nothing on it is secret any more."""

    def __init__(
        self, content: Content, report: Callable[[Evaluation], str], *, all_reports: bool
    ) -> None:
        self._content = content
        self._report = report
        self._phase, self._tracks = tables.shown_places(content)
        self._counting = {place.submission.id for track in self._tracks for place in track.places}
        self._reported = {
            one.id for one in content.submissions if all_reports or one.id in self._counting
        }
        self._events = tables.event_rows(content)
        self._entries = {
            root: {str(one.id): f"{root}submissions/{one.id}.html" for one in content.submissions}
            for root in ("", "../")
        }
        is_sealed = any(
            one.is_sealed for phase in content.phases.values() for one in phase.challenges
        )
        has_final = Phase.FINAL in content.phases
        self.is_open = bool(content.contest.finished) or not (has_final or is_sealed)
        self._shown = [
            phase for phase in content.phases if phase is Phase.PUBLIC or content.contest.finished
        ]

    def pages(self) -> dict[str, str]:
        """Returns the text of every page by its path."""
        content = self._content
        css = (Path(__file__).parent / "pages/style.css").read_text(encoding="utf-8")
        found = {"style.css": css, "index.html": self._index(), "history.html": self._history()}
        for phase in self._shown:
            for challenge in content.phases[phase].challenges:
                found[_challenge_page(challenge)] = self._challenge(phase, challenge)
        for one in content.submissions:
            found[f"submissions/{one.id}.html"] = self._submission(one)
            for phase in self._shown:
                if phase in one.runs and one.id in self._reported:
                    evaluation = one.runs[phase].evaluation(content.phases[phase])
                    found[f"submissions/{_report_page(one, phase)}"] = self._report(evaluation)
        return found

    def _fill(self, name: str, root: str, **values: Any) -> str:
        return fill_in(
            "plantkit.board",
            f"pages/{name}.html",
            autoescape=True,
            contest=self._content.contest,
            root=root,
            as_of=tables.minute(self._content.events[-1].at),
            version=__version__,
            entries=self._entries[root],
            **values,
        )

    def _index(self) -> str:
        content = self._content
        final = content.phases.get(Phase.FINAL)
        return self._fill(
            "index",
            "",
            standings=[
                (
                    _caption(phase, track),
                    _without(tables.track_rows(track), {"authors", *self._telling(phase)}),
                )
                for phase in reversed(self._shown)
                for track in (self._tracks if phase is self._phase else places_of(content, phase))
            ],
            rules=[
                *tables.rules(content, self._phase, self._tracks),
                *[OVERLAP_NOTE] * any(map(self._telling, self._shown)),
            ],
            teams=content.teams,
            submissions=tables.submission_rows(content, self._tracks),
            challenges=[
                (phase.value.capitalize(), list(map(_row, content.phases[phase].challenges)))
                for phase in self._shown
            ],
            pages={
                challenge.id: _challenge_page(challenge)
                for phase in self._shown
                for challenge in content.phases[phase].challenges
            },
            sealed_digests=[]
            if final is None or content.contest.finished
            else sorted(one.digest for one in final.challenges),
            database=BOARD_FILE if self.is_open else "",
        )

    def _telling(self, phase: Phase) -> set[str]:
        """Returns the columns that would help to guess sealed tickets."""
        is_telling = is_overlap_telling(self._content.phases[phase], lambda one: one.is_sealed)
        return {"overlap"} if is_telling and not self._content.contest.finished else set()

    def _history(self) -> str:
        return self._fill("history", "", events=self._events)

    def _challenge(self, phase: Phase, challenge: ChallengeFacts) -> str:
        content = self._content
        protocol = content.phases[phase].protocol
        counted = [place.submission for track in self._tracks for place in track.places]
        overall = standings_of(content, phase, counted)
        rows = []
        for one in counted:
            if one.id not in overall:
                continue
            (alone,) = rank([challenge], one.runs[phase].records, protocol)
            rows.append((alone, one))
        rows.sort(key=lambda row: (-row[0].score, row[0].failures, row[1].id))
        return self._fill(
            "challenge",
            "../",
            challenge=challenge,
            facts=_facts(challenge),
            standings=[
                {
                    "team": one.team.name,
                    "score": f"{alone.score:.1f}",
                    "strong": f"{alone.strong_area:.3f}",
                    "weak": f"{alone.weak_area:.3f}",
                    "failures": str(alone.failures),
                    "entry": str(one.id),
                }
                for alone, one in rows
            ],
        )

    def _submission(self, one: Submission) -> str:
        content = self._content
        state = tables.state_of(one, content.shown, counts=one.id in self._counting)
        facts = [
            ("team", one.team.name),
            ("authors", ", ".join(one.team.authors)),
            ("submitted", f"{tables.minute(one.submitted)} (UTC)"),
            ("file", one.label),
            ("SHA-256", one.sha256 or ""),
            ("state", state or "another submission of the team counts"),
        ]
        events = [row for row in self._events if row["entry"] == str(one.id)]
        return self._fill(
            "submission",
            "../",
            submission=one,
            facts=[(name, value) for name, value in facts if value],
            runs=[
                {
                    "phase": phase.value,
                    "report": _report_page(one, phase) if one.id in self._reported else "",
                    "rows": _figures(content.phases[phase], one.runs[phase].records),
                    "errors": _errors(one.runs[phase].records),
                }
                for phase in self._shown
                if phase in one.runs
            ],
            events=events,
        )


def _caption(phase: Phase, track: Track) -> str:
    return f"{phase.value.capitalize()} standings{tables.TRACKS[track.start]}"


def _without(rows: Sequence[dict[str, str]], columns: set[str]) -> list[dict[str, str]]:
    return [{name: cell for name, cell in row.items() if name not in columns} for row in rows]


def _challenge_page(challenge: ChallengeFacts) -> str:
    return f"challenges/{challenge.id}.html"


def _report_page(one: Submission, phase: Phase) -> str:
    return f"{one.id}-{phase.value}-report.html"


def _row(challenge: ChallengeFacts) -> dict[str, str]:
    return {
        "challenge": challenge.id,
        "title": challenge.title,
        "parameters": str(challenge.total),
        "planted density": f"{challenge.planted_density:.4g}",
        "ticket": "sealed" if challenge.is_sealed else "public",
    }


def _facts(challenge: ChallengeFacts) -> list[tuple[str, str]]:
    """Returns what a manifest says of a challenge; all of it is public."""
    task = challenge.manifest["task"]
    return [
        ("task", f"{task['kind']}, {task['outputs']} outputs"),
        ("network", network_words(challenge.manifest["network"])),
        ("parameters", str(challenge.total)),
        ("ticket", f"{challenge.ticket_kept} parameters, {_row(challenge)['ticket']}"),
        ("planted density", f"{challenge.planted_density:.4g}"),
        ("overlap", "scored" if challenge.overlap_scored else "not scored"),
        (
            f"test {challenge.metric}",
            f"ticket {challenge.ticket.strong:.4f}, dense trained {challenge.dense.weak:.4f}, "
            f"constant {challenge.trivial:.4f}",
        ),
        ("SHA-256", challenge.digest),
    ]


def _figures(phase: Evaluation, records: Sequence[Record]) -> list[dict[str, str]]:
    """Returns a row per challenge and density: means over seeds, without the overlap."""
    rows = []
    for challenge in phase.challenges:
        mine = [one for one in records if one.bundle_sha256 == challenge.digest]
        for density in sorted({one.target_density for one in mine}):
            group = [one for one in mine if one.target_density == density]
            rows.append({"challenge": challenge.id, "density": f"{density:.4g}"} | _means(group))
    return rows


def _means(group: Sequence[Record]) -> dict[str, str]:
    failed = [one for one in group if one.status != "ok"]
    return {
        "strong": f"{fmean(one.strong.recovered_accuracy for one in group):.3f}",
        "digits": f"{fmean(one.strong.recovered_digits for one in group):.3f}",
        "weak": f"{fmean(one.weak.recovered_accuracy for one in group):.3f}",
        "digits trained": f"{fmean(one.weak.recovered_digits for one in group):.3f}",
        "seconds": f"{fmean(one.seconds for one in group):.2f}",
        "failures": f"{len(failed)} of {len(group)}" if failed else "",
    }


def _errors(records: Sequence[Record]) -> list[str]:
    counts = Counter((one.status, one.error) for one in records if one.status != "ok")
    return [f"{status} in {count} runs: {error}" for (status, error), count in counts.items()]
