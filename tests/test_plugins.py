"""Loading plugins and submissions: every way to get it wrong has a message that says so."""

from __future__ import annotations

import importlib.metadata
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from plantkit import hookimpl
from plantkit.errors import PluginError, UnknownNameError, UsageError, describe
from plantkit.plugins import (
    Registry,
    load_installed,
    load_submission,
    name_clashes,
    unique_names,
)
from plantkit.pruners.options import configure


def submission(write, code: str, name: str = "mine.py") -> Path:
    return write(textwrap.dedent(code), name)


def message_of(path: Path) -> str:
    with pytest.raises(PluginError) as error:
        load_submission(path)
    assert error.value.plugin == str(path)
    return str(error.value)


@dataclass(frozen=True, kw_only=True)
class Named:
    name: str = "named"
    reference: str = ""
    rounds: int = 3
    share: float = 0.5
    fast: bool = False

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError("rounds must be positive")

    def prune(self, problem, density, *, seed):
        return {}


class TestSubmission:
    def test_function_alone(self, write):
        path = submission(write, "def prune(problem, density, seed): return {'x': seed}")
        [found] = load_submission(path)
        assert found.name == "mine"
        assert found.pruner.prune(None, 0.5, seed=7) == {"x": 7}

    def test_name_of_the_file_becomes_a_valid_name(self, write):
        path = submission(write, "def prune(problem, density, seed): ...", "_My Pruner.py")
        assert load_submission(path)[0].name == "my-pruner"

    @pytest.mark.parametrize("mark", ["", "@plantkit.hookimpl"])
    def test_hook_with_and_without_mark(self, write, mark):
        path = submission(
            write,
            f"""
            import plantkit
            class P:
                name, reference = "p", ""
                def prune(self, problem, density, *, seed): return {{}}
            {mark}
            def plantkit_pruners():
                return [P()]
            """,
        )
        assert [found.name for found in load_submission(path)] == ["p"]

    def test_syntax_error_names_the_line(self, write):
        path = submission(write, "x = 1\ndef prune(:\n    pass\n")
        assert "line 2: syntax error" in message_of(path)

    def test_broken_import_names_the_line(self, write):
        path = submission(write, "x = 1\nimport no_such_module\n")
        text = message_of(path)
        assert "line 2" in text
        assert "ModuleNotFoundError: No module named 'no_such_module'" in text

    def test_sys_exit_at_import(self, write):
        assert "called sys.exit(0)" in message_of(submission(write, "import sys; sys.exit(0)"))

    def test_misspelt_hook_has_a_suggestion(self, write):
        path = submission(write, "def plantkit_pruner(): return []")
        text = message_of(path)
        assert "unknown hook 'plantkit_pruner'; did you mean 'plantkit_pruners'?" in text

    def test_hook_with_default_argument(self, write):
        path = submission(write, "def plantkit_pruners(extra=1): return []")
        assert "default for argument 'extra'" in message_of(path)

    def test_hook_with_unknown_argument(self, write):
        path = submission(write, "def plantkit_pruners(extra): return []")
        assert "extra" in message_of(path)

    def test_no_pruner_names_the_nearest_function(self, write):
        path = submission(write, "def prunes(problem, density, seed): ...")
        text = message_of(path)
        assert "defines no pruner" in text
        assert "it defines 'prunes'; did you mean 'prune'?" in text

    def test_prune_with_wrong_arguments(self, write):
        path = submission(write, "def prune(problem): ...")
        assert (
            "prune(problem) cannot be called; expected a function prune(problem, density, seed)"
            in (message_of(path))
        )

    def test_prune_that_is_no_function(self, write):
        assert "prune is 3; expected a function prune(problem, density, seed)" in message_of(
            submission(write, "prune = 3")
        )

    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("def plantkit_pruners(): return [P]", "P is a class; expected an instance: P()"),
            ("def plantkit_pruners(): return [1]", "int has no name"),
            ("def plantkit_pruners(): return 1", "TypeError"),
            ("def plantkit_pruners(): return [P('Upper')]", "pruner name is 'Upper'"),
            ("def plantkit_pruners(): return [P('a'), P('a')]", "two pruners named 'a'"),
            ("def plantkit_pruners(): raise OSError('no')", "raised OSError: no"),
        ],
    )
    def test_bad_pruners(self, write, code, expected):
        base = """
        class P:
            reference = ""
            def __init__(self, name): self.name = name
            def prune(self, problem, density, *, seed): return {}
        """
        path = submission(write, textwrap.dedent(base) + code)
        assert expected in message_of(path)


class TestConfigure:
    def test_fields_are_set_by_type(self):
        pruner = configure(Named(), {"rounds": "7", "share": "0.25", "fast": "true"})
        assert (pruner.rounds, pruner.share, pruner.fast) == (7, 0.25, True)

    def test_the_original_is_untouched(self):
        original = Named()
        configure(original, {"rounds": "7"})
        assert original.rounds == 3

    def test_unknown_option_has_a_suggestion(self):
        with pytest.raises(UnknownNameError, match="did you mean 'rounds'"):
            configure(Named(), {"round": "7"})

    @pytest.mark.parametrize(
        ("option", "text"), [("rounds", "x"), ("rounds", "1.5"), ("fast", "1"), ("rounds", "0")]
    )
    def test_bad_values(self, option, text):
        with pytest.raises(UsageError):
            configure(Named(), {option: text})

    def test_pruner_without_options(self, write):
        path = submission(write, "def prune(problem, density, seed): ...")
        [found] = load_submission(path)
        with pytest.raises(UsageError):
            configure(found.pruner, {"iterations": "3"})


class TestInstalled:
    def test_reference_pruners_are_installed(self):
        registry = load_installed()
        names = {registered.name for registered in registry.pruners()}
        assert {"grasp", "magnitude", "random", "snip", "synflow"} <= names
        assert registry.failures == []

    def test_only_one(self):
        registry = load_installed(only="snip")
        assert [registered.name for registered in registry.pruners()] == ["snip"]

    def test_broken_plugin_is_a_failure_and_the_others_load(self, monkeypatch, tmp_path):
        (tmp_path / "broken_plugin.py").write_text("raise SystemExit(3)")
        monkeypatch.syspath_prepend(tmp_path)
        real = importlib.metadata.entry_points
        broken = importlib.metadata.EntryPoint("broken", "broken_plugin", "plantkit")
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda **kw: [*real(**kw), broken])
        registry = load_installed()
        assert "snip" in {registered.name for registered in registry.pruners()}
        [failure] = registry.failures
        assert str(failure) == "broken: cannot be imported: called sys.exit(3)"

    def test_pruners_are_sorted_whatever_the_order_of_registration(self):
        names = []
        for order in ([1, 2], [2, 1]):
            registry = Registry()
            for number in order:

                class Plugin:
                    def __init__(self, number: int) -> None:
                        self.number = number

                    @hookimpl
                    def plantkit_pruners(self):
                        return [Named(name=f"pruner{self.number}")]

                registry.register(Plugin(number), f"plugin{number}")
            names.append([registered.name for registered in registry.pruners()])
        assert names[0] == names[1] == ["pruner1", "pruner2"]

    def test_two_plugins_that_claim_one_name(self):
        registry = Registry()
        for number in (1, 2):

            class Plugin:
                @hookimpl
                def plantkit_pruners(self):
                    return [Named(name="same")]

            registry.register(Plugin(), f"plugin{number}")
        found = registry.pruners()
        assert unique_names(found) == {}
        [clash] = name_clashes(found)
        assert "pruner name 'same' is also claimed by plugin2" in str(clash)


def test_describe_survives_a_message_that_cannot_be_made():
    class Hostile(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise RuntimeError

    assert describe(Hostile()) == "Hostile: (its message cannot be shown)"
