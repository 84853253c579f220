"""Pictures of challenges, networks and evaluations: what is drawn, and in which formats."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace

import altair as alt
import pytest
import torch
from builders import image_challenge, random_mask, record_of, task_of

import plantkit as pk
from plantkit.errors import MissingExtraError, UnknownNameError, UsageError
from plantkit.networks import ConvolutionSpec
from plantkit.networks.tasks import TaskKind
from plantkit.networks.training import Samples
from plantkit.pruners.sources import PrunerSource
from plantkit.reports.pictures import check_format, save_picture
from plantkit.reports.pictures.challenges import SAMPLES
from plantkit.reports.pictures.evaluations import KINDS, draw_evaluation
from plantkit.reports.pictures.images import MOST_CLASSES, MOST_PIXELS, draw_images
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, Settings
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.starts import rank_by_start

BEGINNINGS = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF"}
NETWORK = pk.PerceptronSpec(widths=(2, 3, 1))


def rows(chart) -> list[dict]:
    """All rows of data in a chart, however deep they lie."""
    found = []

    def look(node):
        if isinstance(node, dict):
            for value in node.values():
                look(value)
        elif isinstance(node, list):
            found.extend(one for one in node if isinstance(one, dict))
            for value in node:
                look(value)

    look(chart.to_dict())
    return found


def edges(chart) -> Counter:
    return Counter(row["edge"] for row in rows(chart) if "edge" in row)


def mask_of(*kept: tuple[str, int, int]) -> pk.Mask:
    values = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in NETWORK.shapes.items()}
    for name, end, start in kept:
        values[name][end, start] = True
    return pk.Mask(values)


TICKET = mask_of(("layers.0.weight", 0, 0), ("layers.1.weight", 0, 0), ("layers.0.weight", 1, 1))


def test_a_mask_is_drawn_by_what_it_found_missed_and_wasted():
    mask = mask_of(
        ("layers.0.weight", 0, 0),  # found
        ("layers.1.weight", 0, 0),  # found
        ("layers.0.weight", 0, 1),  # besides, on a path
        ("layers.0.weight", 2, 0),  # besides, leads nowhere
    )
    assert edges(pk.draw_network(NETWORK, TICKET, mask)) == {
        "found": 2,
        "missed": 1,
        "kept besides, on a path": 1,
        "kept besides, leads nowhere": 1,
    }


def test_a_ticket_is_drawn_with_its_units_and_biases(circle):
    ticket, network = circle.truth.ticket, circle.network
    chart = pk.draw_network(network, ticket)
    weights = sum(int(v.sum()) for name, v in ticket.items() if name.endswith("weight"))
    assert edges(chart) == {"ticket": weights}
    units = [row for row in rows(chart) if "used" in row]
    rings = sum(int(v.sum()) for name, v in ticket.items() if name.endswith("bias"))
    # Each unit is a dot; those with a bias have a ring, too.
    assert len(units) == sum(network.widths) + rings
    assert all(0 <= row["y"] <= 1 for row in units)


def test_kernels_are_lines_between_channels_and_shortcuts_are_dotted():
    challenge = image_challenge()
    network, ticket = challenge.network, challenge.truth.ticket
    mask = random_mask(network, 0.1, seed=1)
    found = rows(pk.draw_network(network, ticket, mask))
    entries = Counter()
    for row in found:
        if "edge" in row:
            entries[row["edge"]] += row["entries"]
    weights = [name for name in network.shapes if name.endswith("weight")]
    alive = network.connected(mask)

    def count(chosen):
        return sum(int(chosen(name).sum()) for name in weights)

    assert entries == {
        "found": count(lambda name: ticket[name] & mask[name]),
        "missed": count(lambda name: ticket[name] & ~mask[name]),
        "kept besides, on a path": count(lambda name: mask[name] & ~ticket[name] & alive[name]),
        "kept besides, leads nowhere": count(lambda n: mask[n] & ~ticket[n] & ~alive[n]),
    }
    shortcuts = [row for row in found if row.keys() == {"x", "y", "x2", "y2"}]
    assert 0 < len(shortcuts) <= 8  # one a channel of the stream
    assert {(row["x"], row["x2"]) for row in shortcuts} == {(1, 3)}
    assert all(row["y"] == row["y2"] for row in shortcuts)
    heads = [row["name"] for row in found if "name" in row]
    assert heads == [
        "image",
        "8 channels",
        "8 channels",
        "8 channels",
        *["12 channels"] * 2,
        "outputs",
    ]


def test_a_picture_of_kernels_says_how_lines_are_to_be_read():
    challenge = image_challenge()
    network, ticket = challenge.network, challenge.truth.ticket
    drawn = pk.draw_network(network, ticket, random_mask(network, 0.1, seed=1)).to_dict()
    words = (
        "thicker: more entries of the kernel, dotted: shortcut, dashed: shortcut with a 1x1 kernel"
    )
    assert drawn["title"]["subtitle"][1] == words
    assert words in drawn["description"]
    found = [layer["encoding"] for layer in drawn["layer"] if "strokeWidth" in layer["encoding"]]
    assert len(found) == 4
    for encoding in found:
        assert encoding["strokeDash"]["condition"] == {
            "test": "datum.x2 - datum.x > 1",
            "value": [5, 3],
        }
        assert encoding["color"]["legend"]["symbolOpacity"] == 1
    plain = pk.draw_network(NETWORK, TICKET, TICKET).to_dict()
    assert isinstance(plain["title"]["subtitle"], str)
    assert not any("strokeDash" in layer["encoding"] for layer in plain["layer"])
    chain = ConvolutionSpec(image=(1, 8, 8), blocks=((3,),), outputs=2)
    drawn = pk.draw_network(chain, pk.Mask.full(chain)).to_dict()
    assert drawn["title"]["subtitle"][1] == "thicker: more entries of the kernel"


def test_images_are_drawn_by_class():
    challenge = image_challenge()
    chart = pk.draw_challenge(challenge, challenge.truth.ticket).to_dict()
    drawn = sum(min(6, int(count)) for count in challenge.train.targets.bincount())
    assert f"90 training samples, {drawn} drawn; the" in chart["title"]["subtitle"]
    assert "the classes are those of the data" in chart["title"]["subtitle"]
    squares = [row for row in rows(pk.draw_challenge(challenge)) if "colour" in row]
    assert len(squares) == drawn * 36
    first = challenge.train.inputs[challenge.train.targets == challenge.train.targets.min()][0]
    shades = torch.tensor([int(row["colour"][1:3], 16) for row in squares[:36]]) / 255
    assert torch.corrcoef(torch.stack([shades, first]))[0, 1] > 0.999


@pytest.mark.parametrize(
    ("image", "classes", "drawn", "each"),
    [
        ((1, 4, 4), 3, 4, 6),
        ((1, 64, 64), 10, 32, 1),
        ((3, 224, 224), 10, 38, 1),
        ((1, 9, 9), 1000, 9, 1),
        ((1, 90, 90), 1000, 12, 1),
    ],
)
def test_a_picture_of_images_has_few_pixels(image, classes, drawn, each):
    targets = torch.arange(classes).repeat(6)[: max(classes, 60)]
    inputs = torch.rand(len(targets), image[0] * image[1] * image[2])
    chart, shown = draw_images(alt, Samples(inputs=inputs, targets=targets), image)
    squares = [row for row in rows(chart) if "colour" in row]
    assert shown == min(classes, MOST_CLASSES) * each
    assert len(squares) == shown * drawn**2 <= MOST_PIXELS


def test_a_coarser_image_has_the_means_of_blocks():
    inputs = torch.zeros(1, 200 * 201)
    inputs.view(200, 201)[:100] = 1  # the upper half is bright
    chart, _ = draw_images(
        alt, Samples(inputs=inputs, targets=torch.zeros(1).long()), (1, 200, 201)
    )
    squares = [row for row in rows(chart) if "colour" in row]
    assert len(squares) < MOST_PIXELS
    bright = sum(row["colour"] == "#ffffff" for row in squares)
    assert bright == len(squares) / 2


def test_images_without_classes_are_drawn_as_points():
    challenge = image_challenge()
    targets = torch.randn(90, 3, generator=torch.Generator().manual_seed(3))
    values = replace(
        challenge,
        train=replace(challenge.train, targets=targets),
        task=task_of(challenge.network, "regression"),
    )
    found = rows(pk.draw_challenge(values))
    assert not any("colour" in row for row in found)
    drawn = [row["y"] for row in found if row.keys() == {"x", "y"}]
    first = targets[: len(drawn) // 4, 0].tolist()  # four inputs have a panel each
    assert drawn == pytest.approx(first * 4, abs=1e-3)
    assert drawn


def test_a_plane_shows_its_samples_and_the_classes_of_the_formula(circle):
    found = rows(pk.draw_challenge(circle))
    stripes = [row for row in found if "top" in row]
    samples = [row for row in found if "x1" in row and "top" not in row]
    assert len(samples) == min(SAMPLES, len(circle.train))
    assert {row["class"] for row in stripes} == {0, 1, 2, 3}
    areas = Counter()
    for row in stripes:
        areas[row["class"]] += (row["to"] - row["x1"]) * (row["top"] - row["x2"])
    # The inner circle has the area of pi * 0.2, and the plane that of 4.
    assert areas[0] == pytest.approx(0.628, abs=0.01)
    assert sum(areas.values()) == pytest.approx(4, abs=0.01)
    assert not any("edge" in row for row in found)


def test_a_line_shows_the_target(relu):
    found = rows(pk.draw_challenge(relu, relu.truth.ticket))
    line = [row for row in found if row.keys() == {"x", "y"}]
    assert {"x": -1.0, "y": 0.0} in line
    assert {"x": 1.0, "y": 1.0} in line
    assert any("edge" in row for row in found)


def test_many_inputs_get_a_panel_each_and_no_target():
    tiny = pk.plant("teacher", depth=3, width=30, dials={"inputs": 6}, seed=b"1", jobs=1,
                    train_samples=320, test_samples=100)  # fmt: skip
    chart = pk.draw_challenge(tiny).to_dict()
    [panels] = [part["hconcat"] for part in chart["vconcat"]]
    assert len(panels) == 4
    assert "no formula is known" in chart["title"]["subtitle"]
    assert tiny.task.kind is TaskKind.REGRESSION


@pytest.mark.parametrize("form", BEGINNINGS)
def test_pictures_are_saved_the_same_each_time(relu, tmp_path, form):
    chart = pk.draw_challenge(relu)
    for name in ("one", "two"):
        save_picture(chart, tmp_path / f"{name}.{form}")
    one, two = ((tmp_path / f"{name}.{form}").read_bytes() for name in ("one", "two"))
    assert one.startswith(BEGINNINGS[form])
    if form != "pdf":  # its dictionaries are written in no fixed order
        assert one == two


@pytest.mark.parametrize("name", ["picture", "picture.gif", "picture.svg.gz"])
def test_another_format_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"must end in \.svg, \.png, \.pdf"):
        check_format(tmp_path / name)


def test_without_altair_the_extra_is_named(relu, monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(MissingExtraError, match=r'pip install "plantkit\[report\]"'):
        pk.draw_challenge(relu)


@pytest.fixture
def evaluation(circle) -> Evaluation:
    protocol = Protocol(densities=(0.5,), seeds=1)
    records = [record_of(circle, pruner=name) for name in ("one", "two")]
    return Evaluation(
        entries=[Entry(label=name, source=PrunerSource(name=name)) for name in ("one", "two")],
        challenges=[circle],
        suite=None,
        protocol=protocol,
        records=records,
        standings=rank_by_start([circle], records, protocol),
        settings=Settings(),
        started="2026-01-01T00:00:00+00:00",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_charts_of_an_evaluation_hold_its_figures_and_can_be_saved(evaluation, tmp_path, kind):
    chart = draw_evaluation(evaluation, kind)
    assert {row["pruner"] for row in rows(chart) if "pruner" in row} == {"one", "two"}
    save_picture(chart, tmp_path / "chart.svg")
    assert "one" in (tmp_path / "chart.svg").read_text(encoding="utf-8")


def test_charts_that_do_not_exist(evaluation):
    with pytest.raises(UnknownNameError, match="did you mean 'curves'"):
        draw_evaluation(evaluation, "curve")
    with pytest.raises(UsageError, match="nothing to show"):
        draw_evaluation(replace(evaluation, standings=[], records=[]), "curves")


class TestShow:
    def test_a_challenge_on_images_is_shown_and_listed(self, plantkit_cli):
        shown = plantkit_cli("show", "digits-lenet")
        assert shown.code == 0, shown
        words = " ".join(shown.out.split())
        label = pk.load_challenge("digits-lenet", truth=False).network.label
        assert f"convolution on 1x8x8: {label}, 5 layers of parameters" in words
        assert "convolution on 1x8x8" in plantkit_cli("list", "challenges").out

    def test_a_picture_with_the_ticket(self, plantkit_cli, tiny_challenges, tmp_path):
        path = tmp_path / "circle.svg"
        shown = plantkit_cli(
            *("show", "circle-3x60", "--challenges", tiny_challenges),
            *("--plot", path, "--ticket"),
        )
        assert shown.code == 0
        assert shown.out == ""
        assert f"picture written to {path}" in shown.err
        assert "The planted ticket" in path.read_text(encoding="utf-8")

    def test_without_the_ticket_no_truth_is_read(self, plantkit_cli, copied_bundle, tmp_path):
        path = tmp_path / "circle.svg"
        assert plantkit_cli("show", copied_bundle, "--plot", path).code == 0
        assert "The planted ticket" not in path.read_text(encoding="utf-8")

    def test_a_sealed_ticket_is_not_drawn(self, plantkit_cli, copied_bundle, tmp_path):
        key = tmp_path / "key"
        assert plantkit_cli("keygen", "--out", key).code == 0
        assert plantkit_cli("seal", copied_bundle, "--key", f"{key}.pub").code == 0
        path = tmp_path / "circle.svg"
        shown = plantkit_cli("show", copied_bundle, "--plot", path, "--ticket")
        assert shown.code == 2
        assert "is sealed, and no key was given" in shown.err
        assert not path.exists()
        assert plantkit_cli("show", copied_bundle, "--plot", path).code == 0

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--ticket"], "--ticket needs --plot FILE"),
            (["--plot", "a.gif"], "must end in .svg, .png, .pdf"),
            (["--plot", "nowhere/a.svg"], "nowhere is not a directory"),
        ],
    )
    def test_mistakes(self, plantkit_cli, monkeypatch, tmp_path, arguments, words):
        monkeypatch.chdir(tmp_path)
        shown = plantkit_cli("show", "circle-5x100", *arguments)
        assert shown.code == 2
        assert words in shown.err
        assert list(tmp_path.iterdir()) == []
