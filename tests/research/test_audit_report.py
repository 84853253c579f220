"""What a report says, as JSON and for people."""

from __future__ import annotations

import dataclasses
import json

import pytest

from plantkit.networks import PerceptronSpec
from plantkit.research.audit.assessment import (
    AttackFigures,
    Audit,
    CurvePoint,
    LeakVerdict,
    Limits,
    PooledFigures,
    SubjectFigures,
)
from plantkit.research.audit.figures import Estimate, Figures
from plantkit.research.audit.recipes import PlantingRecipe
from plantkit.research.audit.report import AuditReport, report_json, report_markdown
from plantkit.research.audit.singles import FeatureFigures
from plantkit.schemas import violations


def figures(auc, *, networks=2):
    spread = 0.01 if networks > 1 else None
    return Figures(
        networks=networks,
        positives=12,
        auc=Estimate(value=auc, low=spread and auc - spread, high=spread and auc + spread),
        average_precision=Estimate(value=0.25),
        chance_average_precision=0.125,
        precision_at_k=Estimate(value=0.5),
        chance_precision_at_k=0.4,
        lift=Estimate(value=1.25, low=1.0, high=1.5),
    )


def attacker(name, overall, strata):
    return AttackFigures(
        name=name,
        overall=overall,
        strata=strata,
        training_auc=dict.fromkeys(strata, 0.5),
        choices=dict.fromkeys(strata, "boosting"),
    )


@pytest.fixture
def report():
    strata = {"layers.0.weight": figures(0.54), "layers.1.bias": figures(0.7)}
    audit = Audit(
        limits=Limits(),
        training_networks=40,
        test_networks=2,
        test_positives=30,
        verdict=LeakVerdict.LEAKS,
        verdicts={
            "layers.0.weight": LeakVerdict.UNCLEAR,
            "layers.1.bias": LeakVerdict.LEAKS,
        },
        left_out={"layers.0.bias": "wholly ticket"},
        attackers=[
            attacker("strongest", figures(0.6), strata),
            attacker("boosting", figures(0.58), strata),
            attacker("exact zeros", None, {}),
        ],
        features=[
            FeatureFigures(name="value", group="magnitude", auc=0.6, auc_of_high_values={"a": 0.4})
        ],
        pooled=PooledFigures(
            auc=Estimate(value=0.8),
            floor_auc=0.75,
            average_precision=Estimate(value=0.3),
            floor_average_precision=0.2,
        ),
        curve=[CurvePoint(training_networks=40, attackers={"boosting": None, "joint": figures(1)})],
        subject=SubjectFigures(
            verdict=LeakVerdict.HIDDEN,
            overall=figures(0.51, networks=1),
            strata={"layers.0.weight": figures(0.52, networks=1)},
            auc_deviation_by_chance=0.04,
        ),
    )
    spec = PerceptronSpec.uniform(depth=3, width=60, inputs=2, outputs=4)
    return AuditReport(
        recipe=PlantingRecipe(family="circle", spec=spec),
        audit=audit,
        planting_seconds=3.4,
        attack_seconds=5.6,
        bundle="circle-3x60",
        bundle_sha256="0" * 64,
    )


def without(report, **changes):
    return dataclasses.replace(report, audit=dataclasses.replace(report.audit, **changes))


def test_json_is_of_the_schema(report):
    found = report_json(report)
    assert violations(found, "audit") == []
    assert json.loads(json.dumps(found)) == found
    assert found["passed"] is False
    assert found["verdicts"] == {"layers.0.weight": "unclear", "layers.1.bias": "leaks"}
    assert found["attackers"][0]["overall"]["auc"] == pytest.approx(
        {"value": 0.6, "low": 0.59, "high": 0.61}
    )
    assert found["bundle"]["id"] == "circle-3x60"
    assert found["bundle"]["overall"]["auc"] == {"value": 0.51, "low": None, "high": None}
    assert "subject" not in found
    bare = report_json(without(report, subject=None, pooled=None))
    assert violations(bare, "audit") == []
    assert bare["bundle"] is bare["pooled"] is None


def test_markdown_says_all_of_it(report):
    text = report_markdown(report)
    assert text.startswith("# Leak audit: circle-3x60, faithful planting\n\n**Verdict: leaks.** ")
    for line in (
        "reaches, within strata, AUC 0.600 [0.590, 0.610], precision at k 1.25 [1.00, 1.50] times "
        "chance; limits 0.55 and 2.0. Not within the limits.",
        "40 training networks, 2 others to test on, with 30 ticket entries.",
        "Planting took 3 s, attacking 6 s.",
        "Beyond a limit: `layers.1.bias`.\n",
        "there is none: `layers.0.weight`. More",
        "Fewer than 100 training networks",
        "Left out, with nothing to tell apart: `layers.0.bias` (wholly ticket).",
        "AUC 0.800, average precision 0.300. Knowing the layers' densities alone gives 0.750 and "
        "0.2000:",
        "## The bundle circle-3x60\n\n**Verdict: hidden.** One network",
        "with a standard deviation of 0.040.",
    ):
        assert line in text
    assert "exact zeros" not in text  # it had nothing to go by
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    bias = ["layers.1.bias", "12", "0.700 [0.690, 0.710]", "0.250", "0.125", "0.500"]
    assert [*bias, "1.25 [1.00, 1.50]", "boosting", "leaks"] in rows
    assert ["40", "", "1.000 [0.990, 1.010]"] in rows
    assert ["value", "magnitude", "0.600"] in rows
    assert ["all", "12", "0.510", "0.250", "0.125", "0.500", "1.25 [1.00, 1.50]"] in rows


def test_markdown_leaves_out_what_there_is_not(report):
    blind = dataclasses.replace(report.audit.strongest, overall=None, strata={})
    text = report_markdown(
        without(
            report,
            attackers=[blind],
            training_networks=100,
            verdicts={},
            left_out={},
            pooled=None,
            subject=None,
        )
    )
    assert "within strata, nothing could be told apart; limits" in text
    for words in ("Beyond", "Unclear", "Fewer than", "Left out", "Whole networks", "The bundle"):
        assert words not in text
    assert "\n\n\n" not in text
    assert text.endswith("|\n")
