"""The command line as its users meet it: exit codes, messages, help."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import click
import pytest

from plantkit.cli import COMMANDS, cli
from plantkit.schemas import violations


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
