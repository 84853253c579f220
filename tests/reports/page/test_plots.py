"""Charts as files, and the command that writes them."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET

import pytest

from plantkit.errors import MissingExtraError
from plantkit.reports.page import charts, plots, write_plots
from plantkit.reports.page.figures import figures_of

pytest.importorskip("altair")
pytest.importorskip("vl_convert")


def test_every_figure_is_written_as_svg_and_png(evaluation, tmp_path):
    written = write_plots(evaluation, tmp_path / "plots")
    names = [figure.name for figure in figures_of(evaluation)]
    assert {"standings", "digits-circle-3x60-strong", "heat-map", "effort"} <= set(names)
    assert [path.name for path in written] == [f"{n}.{s}" for n in names for s in ("svg", "png")]
    for path in written:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
            continue
        text = "".join(ET.parse(path).getroot().itertext())
        assert "oracle" in text or path.stem == "effort"
        assert "var(--" not in path.read_text(encoding="utf-8")


def test_pictures_are_the_same_every_time(evaluation, tmp_path):
    one, other = (write_plots(evaluation, tmp_path / name) for name in ("a", "b"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_pruners_can_be_told_apart():
    names = [f"p{number}" for number in range(20)]
    spec = charts.specification("curves", names, printed=True)
    looks = {}
    for layer in spec["layer"]:
        for channel in ("color", "strokeDash"):
            scale = layer["encoding"].get(channel, {}).get("scale", {})
            for name, value in zip(scale.get("domain", ()), scale.get("range", ()), strict=True):
                looks.setdefault(name, {})[channel] = str(value)
    assert len({tuple(sorted(look.items())) for look in looks.values()}) == 20


def test_plots_need_the_extra(evaluation, tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "can_draw", lambda: False)
    with pytest.raises(MissingExtraError, match=r'pip install "plantkit\[report\]"'):
        write_plots(evaluation, tmp_path)


@pytest.fixture(scope="module")
def run(tiny_challenges, tmp_path_factory):
    from plantkit.cli import main

    directory = tmp_path_factory.mktemp("run") / "first"
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *("evaluate", "random", "magnitude", "--baselines", "none", "--suite", "tiny"),
                *("--challenges", str(tiny_challenges), "--isolation", "none"),
                *("--run-dir", str(directory), "-o", str(directory.parent / "first.txt")),
                *("--report", str(directory.parent / "first.html"), "--seeds", "1"),
            ]
        )
    assert ended.value.code == 0
    return directory


def test_report_writes_a_page_and_plots(run, tmp_path, plantkit_cli, tiny_challenges):
    page = tmp_path / "page.html"
    done = plantkit_cli("report", run, "-o", page, "--plots", tmp_path / "plots")
    assert done.code == 0, done
    assert done.out == ""
    text = page.read_text(encoding="utf-8")
    assert "only tickets that ship with plantkit" in text
    assert text == (run.parent / "first.html").read_text(encoding="utf-8")
    assert len(list((tmp_path / "plots").glob("*.svg"))) >= 6
    done = plantkit_cli("report", run, "-o", page, "--tickets", tiny_challenges)
    assert done.code == 0
    assert 'id="viewer"' in page.read_text(encoding="utf-8")


def test_report_takes_several_runs(run, tmp_path, plantkit_cli):
    again = shutil.copytree(run, tmp_path / "again")
    page = tmp_path / "page.html"
    assert plantkit_cli("report", run, again, "-o", page).code == 0
    assert "several runs, of which the first counts: magnitude, random" in page.read_text(
        encoding="utf-8"
    )


def test_report_refuses_what_it_cannot_use(run, tmp_path, plantkit_cli):
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        ([run], "nothing to write"),
        ([run, "-o", tmp_path / "no" / "page.html"], "is not a directory"),
        ([tmp_path / "missing", "-o", tmp_path / "p.html"], "does not exist"),
        ([tmp_path / "empty", "-o", tmp_path / "p.html"], "does not exist"),
        ([run, "-o", tmp_path / "p.html", "--tickets", tmp_path / "none"], "is not a directory"),
    ):
        done = plantkit_cli("report", *arguments)
        assert done.code == 2, done
        assert words in done.err
        assert not (tmp_path / "p.html").exists()
