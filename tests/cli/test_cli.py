"""The command line as its users meet it: exit codes, messages, help."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import click
import pytest
from builders import without_passing

from plantkit.cli import COMMANDS, cli
from plantkit.schemas import violations


@pytest.fixture
def evaluate(plantkit_cli, tiny_challenges):
    """Runs `plantkit evaluate` on the tiny suite."""

    def run(*arguments):
        return plantkit_cli(
            "evaluate", "--challenges", tiny_challenges, "--suite", "tiny", *arguments
        )

    return run


GOOD = """
import torch
def prune(problem, density, seed):
    kept = torch.arange(problem.network.total) < problem.budget
    sizes = [w.numel() for w in problem.weights.values()]
    pieces = kept.split(sizes)
    return {n: p.reshape(w.shape) for (n, w), p in zip(problem.weights.items(), pieces)}
"""


TOP = """
import random
import numpy, torch
def top(saliency, budget):
    flat = torch.cat([value.flatten() for value in saliency.values()])
    keep = torch.zeros(len(flat), dtype=torch.bool)
    keep[flat.topk(budget).indices] = True
    pieces = keep.split([value.numel() for value in saliency.values()])
    return {n: p.reshape(v.shape) for (n, v), p in zip(saliency.items(), pieces)}
def prune(%s):
    return top({n: %s for n, w in problem.weights.items()}, problem.budget)
"""
ORDER = "problem, density, seed"


class TestHelp:
    def test_every_module_of_the_folder_is_a_command_unless_it_is_shared(self):
        assert {"evaluate", "list", "new"} <= set(COMMANDS)
        assert not {"list_", "options", "output", "progress"} & set(COMMANDS)

    def test_every_command_has_help_with_an_example(self, plantkit_cli):
        for name in COMMANDS:
            outcome = plantkit_cli(name, "--help")
            assert outcome.code == 0
            assert f"plantkit {name}" in outcome.out.partition("Examples:")[2], name

    def test_version(self, plantkit_cli):
        assert plantkit_cli("--version").out.startswith("plantkit, version ")

    def test_help_imports_nothing_heavy(self):
        code = (
            "import sys\n"
            "from plantkit.cli import main\n"
            "try: main(['--help'])\n"
            "except SystemExit: pass\n"
            "heavy = {'torch', 'numpy', 'jsonschema', 'safetensors', 'rich'} & set(sys.modules)\n"
            "assert not heavy, heavy\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

    def test_unknown_command(self, plantkit_cli):
        outcome = plantkit_cli("evalute")
        assert outcome.code == 2
        assert "no command is named 'evalute'; did you mean 'evaluate'" in outcome.err

    def test_commands_of_plugins(self, plantkit_cli, monkeypatch):
        from plantkit import plugins
        from plantkit.hookspecs import hookimpl

        class Plugin:
            @hookimpl
            def plantkit_commands(self, cli):
                cli.add_command(click.Command("extra", callback=lambda: click.echo("done")))

        registry = plugins.Registry()
        registry.register(Plugin(), "plugin")
        monkeypatch.setattr(plugins, "load_installed", lambda: registry)
        monkeypatch.setattr(cli, "commands", {})
        assert plantkit_cli("extra").out == "done\n"

    def test_a_plugin_whose_commands_break_is_a_warning(self, plantkit_cli, monkeypatch):
        from plantkit import plugins

        class Plugin:
            def plantkit_commands(self, cli):
                raise OSError("broken")

        registry = plugins.Registry()
        registry.register(Plugin(), "plugin")
        monkeypatch.setattr(plugins, "load_installed", lambda: registry)
        outcome = plantkit_cli("evalute")
        assert outcome.code == 2
        assert "plugin: plantkit_commands() raised OSError: broken" in outcome.err
        assert "did you mean 'evaluate'" in outcome.err

    def test_a_reader_that_goes_away(self):
        command = f"{sys.executable} -m plantkit schema results | true; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        assert done.stdout.strip() in {"0", "141"}
        assert "Traceback" not in done.stderr


class TestListAndShow:
    def test_pruners(self, plantkit_cli):
        outcome = plantkit_cli("list", "pruners", "--format", "json")
        rows = {row["name"]: row for row in json.loads(outcome.out)}
        assert rows["synflow"]["options"] == (
            "scope=global, schedule=single, rounds=10, epochs=5, rewind=0, iterations=100"
        )
        assert rows["snip"]["reference"] == "arXiv 1810.02340"

    @pytest.mark.parametrize("what", ["pruners", "plugins", "challenges", "suites"])
    @pytest.mark.parametrize("output_format", ["table", "markdown", "csv", "json"])
    def test_every_list_in_every_format(self, plantkit_cli, what, output_format):
        outcome = plantkit_cli("list", what, "--format", output_format)
        assert outcome.code == 0
        assert {"pruners": "snip", "plugins": "plantkit_baselines.snip"}.get(
            what, "circle-5x100"
        ) in outcome.out
        assert outcome.err == ""

    def test_show(self, plantkit_cli, tiny_challenges):
        outcome = plantkit_cli("show", "circle-3x60", "--challenges", tiny_challenges)
        assert outcome.code == 0
        assert "2-60-4" in outcome.out
        costs = (
            r"entries by cost +\d+ at least 0\.1, \d+ at least 0\.01, \d+ at least 0\.001 of the"
        )
        assert re.search(costs, outcome.out)
        shown = plantkit_cli("show", tiny_challenges / "circle-3x60", "--format", "json")
        assert violations(json.loads(shown.out), "challenge") == []

    def test_show_unknown(self, plantkit_cli):
        outcome = plantkit_cli("show", "circle-5x10")
        assert outcome.code == 2
        assert "did you mean 'circle-5x100'" in outcome.err

    def test_schema(self, plantkit_cli):
        assert "results" in plantkit_cli("schema").out.split()
        assert json.loads(plantkit_cli("schema", "results").out)["title"]
        assert plantkit_cli("schema", "reslts").code == 2


class TestPlantAndVerify:
    def test_plant_show_verify(self, plantkit_cli, tmp_path):
        planted = plantkit_cli(
            "plant", "relu", "--depth", "3", "--width", "5", "--out", tmp_path, "--variant", "a"
        )
        assert planted.code == 0, planted
        assert "planted 2 of 16 parameters" in planted.out
        assert "do not use it for a contest" in planted.err
        verified = plantkit_cli("verify", tmp_path / "relu-3x5-a")
        assert verified.code == 0
        assert "relu-3x5-a: ok" in verified.out

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (["sphere"], "no target family is named 'sphere'"),
            (["circel"], "did you mean 'circle'"),
            (["circle", "--width", "5"], "hidden layer 1 has 5 units"),
            (["circle", "--depth", "2"], "at least 3"),
            (["relu", "--seed", "xyz"], "expected hexadecimal"),
            (["relu", "--variant", "../x"], "expected letters and digits"),
            (["relu", "--variant", "é"], "expected letters and digits"),
            (["relu", "--width", "0"], "--width"),
            (["relu", "--noise", "2"], "--noise"),
            (
                ["relu", "--planting", "anchored", "--depth", "5", "--width", "6", "--seed", "00"],
                "larger width",
            ),
            (
                [
                    *("teacher", "--dial", "kind=classification", "--dial", "outputs=64"),
                    *("--seed", "00", "--depth", "5", "--time-limit", "0.001"),
                ],
                "none of 10 structures",
            ),
        ],
    )
    def test_bad_input(self, plantkit_cli, tmp_path, arguments, text):
        outcome = plantkit_cli(
            "plant",
            *arguments,
            *(["--depth", "3"] if "--depth" not in arguments else []),
            "--out",
            tmp_path,
        )
        assert outcome.code == 2
        assert text in outcome.err
        assert list(tmp_path.iterdir()) == []

    def test_an_existing_bundle_is_kept(self, plantkit_cli, tiny_challenges):
        before = (tiny_challenges / "relu-3x8" / "challenge.json").read_bytes()
        outcome = plantkit_cli(
            "plant", "relu", "--depth", 3, "--width", 8, "--out", tiny_challenges
        )
        assert outcome.code == 2
        assert "never overwritten" in outcome.err
        assert (tiny_challenges / "relu-3x8" / "challenge.json").read_bytes() == before

    def test_verify_names_the_altered_file_and_checks_the_others(
        self, plantkit_cli, copied_bundle, tiny_challenges
    ):
        content = bytearray((copied_bundle / "weights.safetensors").read_bytes())
        content[-1] ^= 1
        (copied_bundle / "weights.safetensors").write_bytes(content)
        outcome = plantkit_cli("verify", copied_bundle, tiny_challenges / "relu-3x8")
        assert outcome.code == 4
        assert "circle-3x60: invalid" in outcome.out
        assert "relu-3x8: ok" in outcome.out
        assert "weights.safetensors: has been altered" in outcome.err

    def test_verify_unknown(self, plantkit_cli):
        assert plantkit_cli("verify", "nowhere").code == 2


class TestEvaluate:
    def test_the_main_job(self, evaluate, write):
        outcome = evaluate(write(GOOD), "--baselines", "magnitude,random")
        assert outcome.code == 0, outcome
        lines = outcome.out.splitlines()
        assert lines[0] == "Standings: suite tiny (relu-3x8, circle-3x60)"
        for name in ("mine", "magnitude", "random"):
            assert sum(line.split()[1:2] == [name] for line in lines[4:8]) == 1
        assert "--details" in lines[-1]
        progress = r"[^\n]+: \d+ of \d+ [^\n]*\n"  # what a slow machine tells meanwhile
        assert re.sub(progress, "", outcome.err) == ""

    def test_a_suite_says_what_is_ranked_beside_a_pruner(
        self, plantkit_cli, tiny_challenges, tmp_path, write
    ):
        for name in ("relu-3x8", "circle-3x60"):
            shutil.copytree(tiny_challenges / name, tmp_path / name)
        text = (tiny_challenges / "suites.toml").read_text()
        (tmp_path / "suites.toml").write_text(text.replace('["magnitude"]', '["snip"]'))
        given = ["evaluate", write(GOOD), "--challenges", tmp_path, "--seeds", 1, "--jobs", 1]
        outcome = plantkit_cli(*given, "--suite", "tiny", "--format", "json")
        assert {one["pruner"] for one in json.loads(outcome.out)["standings"]} == {"mine", "snip"}
        (tmp_path / "suites.toml").write_text(text.replace('["magnitude"]', '["snipp"]'))
        outcome = plantkit_cli(*given, "--suite", "tiny")
        assert outcome.code == 2
        assert "did you mean 'snip'" in outcome.err

    def test_json_is_valid_and_complete(self, evaluate, write, tmp_path):
        target = tmp_path / "results.json"
        outcome = evaluate(
            write(GOOD), "--baselines", "snip", "--format", "json", "-o", target, "--jobs", 1
        )
        assert outcome.code == 0
        assert outcome.out == ""
        results = json.loads(target.read_text())
        assert violations(results, "results") == []
        assert len(results["records"]) == 2 * 2 * 2 * 2  # challenges, pruners, densities, seeds
        assert {row["status"] for row in results["records"]} == {"ok"}
        assert results["pruners"][0]["sha256"]
        assert results["run"]["suite"] == "tiny"
        assert not list(tmp_path.glob(".*.tmp"))

    def test_results_do_not_depend_on_jobs_or_on_who_else_takes_part(self, evaluate, write):
        found = []
        for arguments in (["--jobs", 1, "--baselines", "none"], ["--jobs", 2]):
            outcome = evaluate(write(GOOD), "--format", "json", *arguments)
            rows = [r for r in json.loads(outcome.out)["records"] if r["pruner"] == "mine"]
            found.append([without_passing(row) for row in rows])
        assert found[0] == found[1]

    def test_failures_are_rows_and_the_others_stand(self, evaluate, write):
        bad = write("def prune(problem, density, seed):\n    raise ValueError('no | idea')\n")
        outcome = evaluate(bad, "--baselines", "magnitude", "--format", "json")
        assert outcome.code == 1
        results = json.loads(outcome.out)
        by_pruner = {s["pruner"]: s for s in results["standings"]}
        assert by_pruner["mine"]["failures"] == 8
        assert by_pruner["magnitude"]["failures"] == 0
        assert by_pruner["magnitude"]["rank"] == 1
        errors = {r["error"] for r in results["records"] if r["pruner"] == "mine"}
        assert errors == {"ValueError: no | idea (line 2)"}

    def test_failures_are_told_below_the_tables(self, evaluate, write):
        bad = write("def prune(problem, density, seed):\n    raise ValueError('no')\n")
        outcome = evaluate(bad, "--baselines", "none")
        assert "mine: 8 of 8 runs failed: crash: ValueError: no (line 2)" in outcome.out

    def test_a_broken_file_beside_a_good_one(self, evaluate, write):
        broken = write("def prune(:", "broken.py")
        outcome = evaluate(broken, write(GOOD), "--baselines", "none")
        assert outcome.code == 1
        assert "warning: " in outcome.err
        assert "broken.py, line 1: syntax error" in outcome.err
        assert "mine" in outcome.out

    def test_a_broken_file_alone(self, evaluate, write):
        outcome = evaluate(write("def prune(:"), "--baselines", "none")
        assert outcome.code == 1
        assert "error: " in outcome.err
        assert "line 1: syntax error" in outcome.err
        assert outcome.out == ""

    def test_options_of_pruners(self, evaluate):
        outcome = evaluate(
            *("synflow:iterations=2,scope=layerwise", "synflow", "--baselines", "synflow"),
            *("--format", "json"),
        )
        assert outcome.code == 0, outcome
        names = [one["pruner"] for one in json.loads(outcome.out)["standings"]]
        assert sorted(names) == ["synflow", "synflow:iterations=2,scope=layerwise"]

    def test_equal_names_are_told_apart(self, evaluate, write):
        outcome = evaluate(write(GOOD, "random.py"), "--baselines", "random")
        assert outcome.code == 0
        assert "random (random.py)" in outcome.out

    def test_run_directory_and_resume(self, evaluate, write, tmp_path):
        arguments = [write(GOOD), "--baselines", "none", "--run-dir", tmp_path / "run"]
        first = evaluate(*arguments, "--format", "json")
        again = evaluate(*arguments)
        assert again.code == 2
        assert "--resume" in again.err
        records = (tmp_path / "run" / "records.jsonl").read_text().splitlines()
        (tmp_path / "run" / "records.jsonl").write_text("\n".join(records[:3]) + "\n")
        resumed = evaluate(*arguments, "--resume", "--format", "json")
        strip = [
            [without_passing(record) for record in json.loads(o.out)["records"]]
            for o in (first, resumed)
        ]
        assert strip[0] == strip[1]
        other = evaluate(*arguments, "--resume", "--seeds", 1)
        assert other.code == 2
        assert "whose seeds differ" in other.err

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (["nowhere.py"], "nowhere.py does not exist"),
            (["nowhere/"], "nowhere/ does not exist; expected a Python file (.py), a notebook"),
            (["snap"], "did you mean 'snip'"),
            (["snip", "--density", "0"], "out of range"),
            (["snip", "--density", "1.5"], "out of range"),
            (["snip", "--density", "nan"], "out of range"),
            (["snip", "--density", "abc"], "'abc' is not a density"),
            (["snip", "--density", "0.001"], "keeps none of the 25 parameters of relu-3x8"),
            (["snip", "--seeds", "0"], "--seeds"),
            (["snip", "--format", "jsn"], "did you mean 'json'"),
            (["snip", "--baselines", "magnitud"], "did you mean 'magnitude'"),
            (["snip:iteration=3"], "no option of pruner 'snip'"),
            (["synflow:iterations=x"], "expected int"),
            (["snip", "--resume"], "--resume needs --run-dir"),
            (["snip", "-o", "/no/such/dir/x"], "not a directory"),
            (["snip", "--challenge", "relu-3x8"], "exclude each other"),
            ([], "Missing argument"),
        ],
    )
    def test_bad_input(self, evaluate, arguments, text):
        outcome = evaluate(*arguments)
        assert outcome.code == 2, outcome
        assert text in outcome.err
        assert outcome.out == ""

    def test_unknown_challenge(self, plantkit_cli):
        outcome = plantkit_cli("evaluate", "snip", "--challenge", "circle-5x10")
        assert outcome.code == 2
        assert "did you mean 'circle-5x100'" in outcome.err

    def test_an_altered_bundle(self, plantkit_cli, copied_bundle):
        (copied_bundle / "truth.safetensors").unlink()
        outcome = plantkit_cli("evaluate", "snip", "--challenge", copied_bundle)
        assert outcome.code == 4
        assert "truth.safetensors: is missing" in outcome.err

    def test_an_output_that_cannot_be_written_is_printed(self, evaluate, tmp_path):
        (tmp_path / "link.json").symlink_to(tmp_path / "target.json")
        evaluate("magnitude", "--baselines", "none", "-o", tmp_path / "link.json")
        assert (tmp_path / "link.json").is_symlink()
        assert (tmp_path / "target.json").read_text().startswith("Standings")
        outcome = evaluate("magnitude", "--baselines", "none", "-o", "/dev/full")
        assert outcome.code == 2
        assert outcome.out.startswith("Standings")
        assert "cannot be written" in outcome.err

    def test_debug_shows_the_traceback(self, plantkit_cli):
        assert "Traceback" not in plantkit_cli("evaluate", "nowhere.py").err
        assert "Traceback" in plantkit_cli("--debug", "evaluate", "nowhere.py").err
        assert "Traceback" in plantkit_cli("evaluate", "nowhere.py", "--debug").err


class TestNotesAndTracebacks:
    """What an author should know of a run, whether it failed or not."""

    @pytest.fixture
    def evaluate_one(self, plantkit_cli, tiny_challenges):
        def run(*arguments, command="evaluate"):
            return plantkit_cli(
                *(command, *arguments, "--challenges", tiny_challenges, "--density", "0.5"),
                *("--challenge", "relu-3x8", "--baselines", "none", "--seeds", "1"),
            )

        return run

    @pytest.mark.parametrize(
        "drawn",
        [
            "torch.rand(w.shape)",
            "torch.tensor(numpy.random.rand(*w.shape))",
            "torch.tensor([random.random() for _ in range(w.numel())]).reshape(w.shape)",
        ],
    )
    def test_a_mask_from_global_randomness_has_a_note(self, drawn, write, evaluate_one):
        outcome = evaluate_one(write(TOP % (ORDER, drawn)), "--format", "json", "--jobs", "1")
        assert outcome.code == 0
        (record,) = json.loads(outcome.out)["records"]
        assert record["status"] == "ok"
        assert "same seed gave another mask" in record["note"]

    def test_a_mask_that_keeps_nothing_has_a_note(self, write, evaluate_one):
        code = "def prune(p, d, seed):\n    return {n: w > 9 for n, w in p.weights.items()}\n"
        outcome = evaluate_one(write(code))
        assert "mine: 1 of 1 runs have a note: the mask keeps none of 25 parameters" in outcome.out

    @pytest.mark.parametrize("order", [ORDER, "density, problem, seed", "seed, density, problem"])
    def test_arguments_come_by_their_names(self, order, write, evaluate_one):
        outcome = evaluate_one(write(TOP % (order, "w.abs()")), "--format", "csv")
        assert outcome.code == 0
        assert ",ok," in outcome.out
        assert "another mask" not in outcome.out

    def test_other_names_in_another_order_are_explained(self, write, evaluate_one):
        outcome = evaluate_one(write("def prune(d, p, seed):\n    return p.weights\n"))
        words = " ".join(outcome.out.split())
        assert "has no attribute 'weights' (line 2); the arguments come in the order" in words

    def test_show_errors_prints_own_lines(self, write, evaluate_one, plantkit_cli, tiny_challenges):
        path = write("def prune(problem, density, seed):\n    import json\n    json.loads('x')\n")
        line = "  File \"mine.py\", line 3, in prune\n    json.loads('x')"
        assert "Traceback" not in evaluate_one(path).err
        shown = evaluate_one(path, "--show-errors")
        assert "mine on relu-3x8 at density 0.5, seed 0:\nTraceback" in shown.err
        assert line in shown.err
        assert "decoder.py" not in shown.err
        assert "Traceback" not in shown.out
        pruned = plantkit_cli(
            *("prune", path, "relu-3x8", "--challenges", tiny_challenges, "--show-errors")
        )
        assert line in pruned.err
        checked = plantkit_cli("check", path, "--show-errors")
        assert "mine: returns-mask:\nTraceback" in checked.err
        assert line in checked.err
        assert "Traceback" not in plantkit_cli("check", path).err

    def test_show_errors_for_a_file_that_cannot_be_imported(self, write, evaluate_one):
        path = write("import os\nNAME = os.environ['NO_SUCH_NAME']\n")
        assert "Traceback" not in evaluate_one(path).err
        shown = evaluate_one(path, "--show-errors")
        assert shown.code == 1
        assert '  File "mine.py", line 2, in <module>' in shown.err
        assert "<frozen os>" not in shown.err
        both = evaluate_one(path, "snip", "--show-errors")
        assert "warning: " in both.err
        assert '  File "mine.py", line 2, in <module>' in both.err


def test_a_place_that_cannot_be_written_is_no_bug(plantkit_cli, tmp_path):
    (tmp_path / "file").write_text("")
    outcome = plantkit_cli("plant", "relu", "--depth", "3", "--out", tmp_path / "file" / "below")
    assert outcome.code == 2, outcome
    assert "Not a directory" in outcome.err
    assert "bug" not in outcome.err


def test_a_bug_is_exit_code_3(plantkit_cli, monkeypatch):
    def fail():
        raise RuntimeError("broken")

    monkeypatch.setitem(cli.commands, "broken", click.Command("broken", callback=fail))
    outcome = plantkit_cli("broken")
    assert outcome.code == 3
    assert "RuntimeError: broken" in outcome.err
    assert "bug in plantkit" in outcome.err
