"""How large the page of a suite is, and how long it takes to make and to open.

    python benchmarks/report.py paper [FILE]

The evaluation is made up: every installed pruner has a random mask of the right density for every
challenge, density and seed of the suite, and records drawn at random. So it has the size of a real
one with `--baselines all`, without the hours that takes; random masks are the worst to compress.
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import torch

from plantkit.challenges import catalog
from plantkit.challenges.facts import ChallengeFacts
from plantkit.challenges.manifests import read_manifest
from plantkit.networks import network_from_json
from plantkit.networks.budget import budget_of
from plantkit.networks.masks import Mask
from plantkit.pruners.sources import PrunerSource
from plantkit.reports.html import render
from plantkit.reports.page.drawings import drawings_of
from plantkit.reports.page.tickets import public_tickets
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, Settings
from plantkit.scoring.protocol import Protocol, resolve_densities
from plantkit.scoring.records import SCORED_OVERLAP, Record, TrackScore
from plantkit.scoring.starts import rank_by_start


def made_up(suite_name: str) -> Evaluation:
    """Returns an evaluation of all installed pruners on a suite, with random results."""
    found = catalog.find()
    suite = found.suite(suite_name)
    protocol = Protocol.of(suite)
    manifests = [read_manifest(found.bundle(one)) for one in suite.challenges]
    challenges = [ChallengeFacts.of(*one) for one in manifests]
    names = sorted(entry_points(group="plantkit").names)
    dice, generator = random.Random(0), torch.Generator().manual_seed(0)
    records, masks = [], {}
    for challenge, (manifest, _) in zip(challenges, manifests, strict=True):
        network = network_from_json(manifest["network"])
        for place, name in enumerate(names):
            for density, is_planted in resolve_densities(challenge, protocol):
                for seed in range(protocol.seeds):
                    keep = torch.zeros(network.total, dtype=torch.bool)
                    kept = budget_of(density, network.total)
                    keep[torch.randperm(network.total, generator=generator)[:kept]] = True
                    mask = Mask.from_vector(network, keep)
                    digest = mask.digest()
                    masks[digest] = mask
                    quality = (place + dice.random()) / len(names) * density**0.2
                    score = TrackScore(
                        performance=quality, recovered_accuracy=quality, recovered_digits=quality
                    )
                    overlap = dict.fromkeys(("precision", "recall", "f1", "iou", "lift"), 0.1)
                    records.append(
                        Record(
                            pruner=name,
                            challenge=challenge.id,
                            bundle_sha256=challenge.digest,
                            target_density=density,
                            density_multiple=density / challenge.planted_density,
                            is_planted_density=is_planted,
                            seed=seed,
                            status="ok",
                            strong=score,
                            weak=score,
                            density=mask.density,
                            sparsity=mask.sparsity,
                            effective_density=mask.density,
                            collapsed_layers=0,
                            overlap=overlap | {SCORED_OVERLAP: 0.1},
                            seconds=1.0,
                            peak_rss_mib=None,
                            error="",
                            mask_sha256=digest,
                            effort=10 ** dice.uniform(-1, 2),
                        )
                    )
    return Evaluation(
        entries=[Entry(label=name, source=PrunerSource(name=name)) for name in names],
        challenges=challenges,
        suite=suite_name,
        protocol=protocol,
        records=records,
        standings=rank_by_start(challenges, records, protocol),
        settings=Settings(),
        started="2026-01-01T00:00:00+00:00",
        masks=masks,
    )


def opened(path: Path) -> dict[str, float]:
    """Returns milliseconds until the page is there, and until its first chart is drawn."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        tab = browser.new_page()
        start = time.perf_counter()
        tab.goto(path.resolve().as_uri())
        loaded = tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        tab.locator(".chart svg").first.wait_for()
        drawn = 1000 * (time.perf_counter() - start)
        browser.close()
    return {"load": loaded, "first chart": drawn}


def main() -> None:
    torch.set_num_threads(1)
    name = sys.argv[1]
    path = Path(sys.argv[2] if len(sys.argv) > 2 else f"report-{name}.html")
    evaluation = made_up(name)
    start = time.process_time()
    text = render(evaluation)
    seconds = time.process_time() - start
    path.write_text(text, encoding="utf-8", newline="\n")
    drawn = drawings_of(evaluation, public_tickets(evaluation.challenges))
    print(f"{len(evaluation.entries)} pruners, {len(evaluation.records)} records")
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, made in {seconds:.1f} CPU seconds")
    print(f"masks: {drawn.shown} shown, {drawn.left_out} left out")
    for what, milliseconds in opened(path).items():
        print(f"{what}: {milliseconds:.0f} ms")


if __name__ == "__main__":
    main()
