"""What each host exports, laid out as the hosts do it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from plantkit.errors import MissingExtraError, UnknownNameError, UsageError
from plantkit.grading.handins import HandIn, HandIns, read_handins
from plantkit.grading.handins import gradescope as gradescope_module
from plantkit.grading.handins.found import FIELDS
from plantkit.grading.handins.ids import IdMaker

CODE = "def prune(problem, density, seed): ...\n"
Lay = Callable[..., Path]
Read = Callable[..., HandIns]


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """Lays out files in a folder of `tmp_path`; a list of names gets code."""

    def make(name: str, files: Mapping[str, str] | list[str]) -> Path:
        root = tmp_path / name
        root.mkdir(parents=True, exist_ok=True)
        for file in files:
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            text = files[file] if isinstance(files, Mapping) else CODE
            path.write_text(text, encoding="utf-8", newline="\n")
        return root

    return make


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads hand-ins; a roster is given as its text."""

    def call(folder: Path, roster: str | None = None, **options: Any) -> HandIns:
        if roster is not None:
            (tmp_path / "roster.csv").write_text(roster, encoding="utf-8", newline="")
            options["roster"] = tmp_path / "roster.csv"
        return read_handins(folder, work=tmp_path / "work", **options)

    return call


def by_id(handins: HandIns) -> dict[str, HandIn]:
    assert all(set(student) <= set(FIELDS) for one in handins.handins for student in one.students)
    return {one.id: one for one in handins.handins}


def names_in(handin: HandIn) -> list[str]:
    assert handin.path is not None
    return sorted(path.name for path in handin.path.iterdir())


METADATA = """---
submission_11:
  :submitters:
  - :name: Zoë Quick
    :sid: '0123'
    :email: zoe@x.edu
  - :name: Bo Chen
    :sid: 0124
    :email: bo@x.edu
  :created_at: 2023-12-02 02:52:07.938335000 Z
  :score: 0.0
  :results:
    tests: []
    output: |
      :submitters: not these
  :history:
  - :submitters: []
    :created_at: 2023-12-04 07:30:05.262325000 Z
    :id: 10
submission_12:
  :submitters:
  - :name: Cy Young
    :sid: '0125'
    :email: cy@x.edu
  :created_at: 2023-12-03 02:52:07.938335000 Z
  :history: []
submission_13:
  :submitters: []
  :created_at: 2023-12-01 00:00:00.000000000 Z
"""


def test_gradescope(lay: Lay, read: Read) -> None:
    files = {"submission_metadata.yml": METADATA, "submission_11/my_pruner.py": CODE}
    files |= {"submission_12/my_pruner.py": CODE, "submission_99/x.py": CODE}
    lay("export/assignment_7_export", files)
    found = read(lay("export", {}), due="2023-12-02T12:00Z")
    assert found.host == "gradescope"
    group, alone, nobody = found.handins
    assert [one["name"] for one in group.students] == ["Zoë Quick", "Bo Chen"]
    assert [one["number"] for one in group.students] == ["0123", "0124"]
    assert group.submitted == "2023-12-02T02:52:07.938335+00:00"
    assert not group.late
    assert group.notes == (
        "2 hand-ins; the one active in Gradescope counts",
        "a later hand-in is not the active one",
    )
    assert (alone.name, alone.late) == ("Cy Young", True)
    assert alone.fields["email"] == "cy@x.edu"
    assert alone.fields["submission_id"] == "12"
    assert nobody.path is None
    assert "names nobody" in nobody.notes[0]
    assert found.notes == ("submission_99 is not in submission_metadata.yml, and so nobody's",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "cannot be read"),
        ("- a", "holds no submissions"),
        ("../x:\n  a: b", "is not a submission"),
        ("submission_1: text", "is not a submission"),
        ("&a [*a]", "cannot be read: found unconstructable recursive node"),
    ],
)
def test_metadata_that_cannot_be_used(lay: Lay, read: Read, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(lay("export", {"submission_metadata.yml": text}))


def test_gradescope_needs_an_extra(lay: Lay, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(gradescope_module.importlib, "import_module", fail)
    with pytest.raises(MissingExtraError, match=r"plantkit\[gradescope\]"):
        gradescope_module.read(
            gradescope_module.Place(
                folder=lay("export", {"submission_metadata.yml": METADATA}), work=Path()
            )
        )


CANVAS_ROSTER = """Student,ID,SIS User ID,SIS Login ID,Section,Pruning (77)
    Points Possible,,,,,100
"Smith, Jane",123,A1,jane,S1,
"Smith, Jane",124,A2,jane2,S1,
"Lee, Ann",99,A4,ann,S2,
"Gone, Al",9,A9,al,S2,
"""


def test_canvas(lay: Lay, read: Read) -> None:
    folder = lay(
        "canvas",
        [
            "smithjane_123_456_my_pruner.py",
            "smithjane_123_457_helper-2.py",
            "smithjane_124_500_a_1_2_b.py",
            "leeann_LATE_99_458_my_pruner.py",
            "leeann_LATE_99_459_my_pruner-1.py",
            "bob_44_text.html",
            "readme.md",
        ],
    )
    (folder / "leeann_LATE_99_459_my_pruner-1.py").write_text("# later\n")
    found = read(folder, CANVAS_ROSTER)
    assert found.host == "canvas"
    one = by_id(found)
    assert sorted(one) == ["al", "bob_44", "leeann_99", "smithjane_123", "smithjane_124"]
    assert names_in(one["smithjane_123"]) == ["helper.py", "my_pruner.py"]
    assert names_in(one["smithjane_124"]) == ["a_1_2_b.py"]
    assert [one[f"smithjane_{n}"].fields["number"] for n in (123, 124)] == ["A1", "A2"]
    assert one["leeann_99"].late
    assert names_in(one["leeann_99"]) == ["my_pruner.py"]
    path = one["leeann_99"].path
    assert path is not None
    assert (path / "my_pruner.py").read_text() == "# later\n"
    assert any("handed in my_pruner.py twice" in note for note in one["leeann_99"].notes)
    assert one["bob_44"].notes == ("handed in text or a link, not a file", "not in the roster")
    assert found.missing == (one["al"],)
    assert one["al"].fields == {"user_id": "9", "number": "A9", "login": "al", "section": "S2"}
    assert found.notes == (
        "readme.md is not named as Canvas names hand-ins, and so nobody's",
        "2 students have the name 'smith, jane': smithjane_123, smithjane_124",
    )


def test_numbers_that_students_gave_stay(lay: Lay, read: Read) -> None:
    """Canvas numbers what is handed in again; what it then exports is the last alone."""
    own = ["part-1.py", "part-2.py", "helper-3.py", "a-1-1.py", "a-2-1.py", "b.py", "b-1.py"]
    names = [f"ann_1_{number}_{name}" for number, name in enumerate(own)]
    one = by_id(read(lay("canvas", names)))["ann_1"]
    assert names_in(one) == ["a-1.py", "a-2.py", "b.py", "helper.py", "part-1.py", "part-2.py"]


def test_canvas_of_anonymous_students_and_other_alphabets(lay: Lay, read: Read) -> None:
    names = ["anon_Ab3x_7_x.py", "LATE_anon_Zz_8_x.py", "王伟_5_6_a.ipynb", "007_1_2_3_4.py"]
    one = by_id(read(lay("canvas", names)))
    assert one["anon_Zz"].late
    assert not one["anon_Ab3x"].late
    assert names_in(one["007_1"]) == ["3_4.py"]
    (other,) = [handin for handin in one.values() if handin.name == "王伟"]
    assert other.id.isascii()
    assert other.fields == {"user_id": "5"}


MOODLE_ROSTER = (
    "\ufeffIdentifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments\n"
    "Participant 11,Jane Smith,j1@x,Submitted for grading - 3 mins 31 secs late - ,,100,Yes,"
    '"Wednesday, 10 June 2026, 2:14 PM",-,\n'
    "Participant 12,Jane Smith,j2@x,Submitted for grading,,100,Yes,"
    '"Wednesday, 10 June 2026, 2:10 PM",-,\n'
    "Participant 99,Nobody,n@x,No submission,,100,Yes,-,-,\n"
)


def test_moodle(lay: Lay, read: Read) -> None:
    folder = lay(
        "moodle",
        [
            "Jane Smith_11_assignsubmission_file/my_pruner.py",
            "Jane Smith_11_assignsubmission_onlinetext/onlinetext.html",
            "Jane Smith_12_assignsubmission_file_/src/my_pruner.py",
            "Zoë Žák_13_assignsubmission_file_a_b.py",
            "Default group_assignsubmission_onlinetext/onlinetext.html",
        ],
    )
    found = read(folder, MOODLE_ROSTER, due="2026-06-10T14:12")
    assert found.host == "moodle"
    one = by_id(found)
    first, second = one["Jane-Smith_11"], one["Jane-Smith_12"]
    assert (first.fields["email"], second.fields["email"]) == ("j1@x", "j2@x")
    assert (first.late, second.late) == (True, False)
    assert first.submitted == "2026-06-10T14:14:00"
    assert first.notes == ("also wrote text on the page, which is not graded",)
    assert first.path == folder / "Jane Smith_11_assignsubmission_file"
    assert second.path == folder / "Jane Smith_12_assignsubmission_file_"
    assert names_in(one["Zoe-Zak_13"]) == ["a_b.py"]
    assert one["Zoe-Zak_13"].notes == ("not in the roster",)
    (group,) = [handin for handin in one.values() if handin.name == "Default group"]
    assert "text on the page, not a file" in group.notes[0]
    assert [handin.name for handin in found.missing] == ["Nobody"]
    assert "2 of 4 hand-ins have no time here, so that --due says nothing about them" in found.notes


def test_groups_of_moodle_are_not_the_students_of_their_numbers(lay: Lay, read: Read) -> None:
    folder = lay("moodle", [f"Team {name}_assignsubmission_file/a.py" for name in ("A_11", "B_12")])
    header = "Identifier,Full name,Group,Grade\n"
    rows = "Participant 11,Jane,Team B,\nParticipant 12,Al,Team B,\nParticipant 13,Bo,Team A,\n"
    one = by_id(read(folder, header + rows))
    assert {name: [s["name"] for s in handin.students] for name, handin in one.items()} == {
        "Team-A_11": ["Bo"],
        "Team-B_12": ["Jane", "Al"],
    }
    one = by_id(read(folder, (header + rows).replace("Team ", "Other ")))
    team = one["Team-A_11"]
    assert "11 is Jane in the roster; if Team A is a group" in team.notes[0]
    assert "participant" not in team.fields


def test_a_group_of_canvas_is_told(lay: Lay, read: Read) -> None:
    found = read(lay("canvas", ["team7_123_4_x.py"]), CANVAS_ROSTER)
    assert "Canvas names it team7: if that is a group" in by_id(found)["team7_123"].notes[0]


def test_nbgrader(lay: Lay, read: Read) -> None:
    folder = lay(
        "course",
        {
            "submitted/ann/ps1/work.ipynb": "{}",
            "submitted/ann/ps1/timestamp.txt": "2015-02-02 15:58:23.948203 UTC",
            "submitted/bob/ps1/work.ipynb": "{}",
            "submitted/bob/ps1/timestamp.txt": "2015-02-03 15:58:23.948203 America/Los_Angeles",
            "submitted/cy/ps1/timestamp.txt": "2015-02-03 15:58:23 NOWHERE",
            "submitted/dee/ps2/work.ipynb": "{}",
        },
    )
    with pytest.raises(UsageError, match=r"several assignments: ps1, ps2; say which"):
        read(folder)
    with pytest.raises(UnknownNameError, match="no assignment is named 'ps3'; did you mean"):
        read(folder, assignment="ps3")
    found = read(folder, assignment="ps1")
    assert found.host == "nbgrader"
    assert [one.id for one in found.missing] == ["dee"]
    with pytest.raises(UsageError, match="has no time zone"):
        read(folder, assignment="ps1", due="2015-02-02T10:00")


def test_nbgrader_times(lay: Lay, read: Read) -> None:
    files = {
        "submitted/ann/ps1/timestamp.txt": "2015-02-02 15:58:23.948203 UTC",
        "submitted/bob/ps1/timestamp.txt": "2015-02-03 15:58:23.948203 America/Los_Angeles",
        "submitted/cy/ps1/timestamp.txt": "2015-02-03 15:58:23 NOWHERE",
    }
    one = by_id(read(lay("course", files), due="2015-02-03T23:58:00Z"))
    assert (one["ann"].late, one["bob"].late, one["cy"].late) == (False, True, False)
    assert one["bob"].submitted == "2015-02-03T15:58:23.948203-08:00"
    assert one["cy"].notes == ("its time cannot be read: '2015-02-03 15:58:23 NOWHERE'",)


CLASSROOM_GRADES = (
    "assignment_name,assignment_url,starter_code_url,github_username,roster_identifier,"
    "student_repository_name,student_repository_url,submission_timestamp,points_awarded,"
    "points_available\n"
    "hw1,u,u,ann,a1,hw1-ann,u,2025-01-07 23:12:11 UTC,1,2\n"
    "hw1,u,u,t1,a2,hw1-team,u,2025-01-06 23:12:11 UTC,1,2\n"
    "hw1,u,u,t2,a3,hw1-team,u,2025-01-06 23:12:11 UTC,1,2\n"
    "hw1,u,u,zed,a9,hw1-zed,u,,1,2\n"
)


def test_classroom(lay: Lay, read: Read) -> None:
    names = ["hw1-ann", "hw1-ann-lee", "hw1-ann-1", "hw1-team"]
    folder = lay("hw1-submissions", [f"{name}/submissions/my_pruner.py" for name in names])
    for name in names:
        (folder / name / ".git").mkdir()
    found = read(folder)
    assert found.host == "classroom"
    one = by_id(found)
    assert [one[name].fields["login"] for name in names[:3]] == ["ann", "ann-lee", "ann-1"]
    assert one["hw1-ann-1"].notes == ("hw1-ann may be of the same student",)

    found = read(folder, CLASSROOM_GRADES, due="2025-01-07T00:00Z")
    one = by_id(found)
    assert (one["hw1-ann"].late, one["hw1-team"].late) == (True, False)
    assert one["hw1-ann"].fields["number"] == "a1"
    assert [student["login"] for student in one["hw1-team"].students] == ["t1", "t2"]
    assert one["hw1-ann-lee"].notes == ("not in the roster",)
    assert [handin.fields["login"] for handin in found.missing] == ["zed"]


@pytest.mark.parametrize("folder_name", ["hw1-submissions", "clones"])
def test_whose_repository_it_is(lay: Lay, read: Read, folder_name: str) -> None:
    """A name that ends in somebody's login may be another's, who is not in the roster."""
    names = ["hw1-ann", "hw1-bo", "hw1-mary-lee", "hw1-Cy"]
    folder = lay(folder_name, [f"{name}/.git/HEAD" for name in names])
    who = ["ann", "bo", "lee", "cy"]
    rows = [f'"{number}","{login}","{number}",""' for number, login in enumerate(who)]
    header = '"identifier","github_username","github_id","name"'
    one = by_id(read(folder, "\n".join([header, *rows])))
    assert [one[name].fields.get("number") for name in names] == ["0", "1", None, "3"]
    assert one["hw1-mary-lee"].notes == ("not in the roster",)
    assert one["lee"].path is None


def test_several_assignments_of_classroom(lay: Lay, read: Read) -> None:
    folder = lay("clones", ["hw1-ann/.git/HEAD", "hw2-ann/.git/HEAD", "hw2-bo/.git/HEAD"])
    one = by_id(read(folder, assignment="hw2"))
    assert sorted(one) == ["hw2-ann", "hw2-bo"]
    assert one["hw2-bo"].fields["login"] == "bo"


def test_a_roster_that_maps_files(lay: Lay, read: Read) -> None:
    folder = lay("any", ["a/x.py", "b.py", "c.py", "d.zip"])
    roster = (
        "file;id;name;submitted\na;1;Ann;2026-11-27T10:00\nb.py;2;Bo;2026-11-29T10:00\n"
        "b.py;3;Cy;\nno.py;4;Dee;\n"
    )
    found = read(folder, roster, due="2026-11-28")
    assert found.host == "roster"
    one = by_id(found)
    assert (one["a"].name, one["a"].fields["number"], one["a"].late) == ("Ann", "1", False)
    assert [student["name"] for student in one["b.py"].students] == ["Bo", "Cy"]
    assert one["b.py"].late
    assert one["no.py"].path is None
    assert one["no.py"].notes == ("handed in nothing: there is no no.py",)
    assert "c.py is in no row of the roster" in found.notes
    assert "d.zip is in no row of the roster" in found.notes
    for outside in ("../x.py", ".", "/etc/passwd"):
        with pytest.raises(UsageError, match="is not inside of"):
            read(folder, f"file,id,name\n{outside},1,Ann\n")


def test_a_plain_folder(lay: Lay, read: Read) -> None:
    names = ["ann.py", "bob/x.py", "cy.zip", "王伟.py", "李娜.py", "notes.txt"]
    found = read(lay("plain", names))
    assert found.host == "plain"
    ids = [one.id for one in found.handins]
    assert len({one.casefold() for one in ids}) == 5
    assert all(one.isascii() for one in ids)
    assert {"ann.py", "bob", "cy.zip"} < set(ids)
    assert found.notes == ("notes.txt is not a hand-in; expected .ipynb, .py, .zip",)
    more = read(lay("plain", ["dee.py"]))
    assert set(ids) < {one.id for one in more.handins}  # that one came changes no other


def test_ids_are_names_of_files_everywhere() -> None:
    words = ["ann", "Ann", "Zoë", "Zoe", "con", "com1.x", "..", "", "a/b", "a b", "x" * 99, "王"]
    words += ["a-b", "Bo"]
    ids = IdMaker(words)
    made = [ids.make(one) for one in words]
    assert made[-1] == "Bo"
    assert len({one.casefold() for one in made}) == len(words)
    for one in made:
        assert re.fullmatch(r"[A-Za-z0-9][\w.-]{0,71}", one, re.ASCII), one
        assert one.split(".")[0].lower() not in {"con", "com1"}
    assert [IdMaker([one]).make(one) for one in words[4:9]] == made[4:9]  # whoever else there is


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("smith.py", "smith.ipynb"),
        ("smith.py", "smith/x.py"),
        ("smith.py", "Smith.py"),
        ("a b.py", "a-b.py"),
        ("Zoë.py", "Zoe.py"),
    ],
)
def test_an_id_never_comes_to_mean_another_hand_in(
    lay: Lay, read: Read, name: str, other: str
) -> None:
    def paths(folder: str, files: list[str]) -> dict[str, str]:
        found = read(lay(folder, files), host="plain").handins
        return {one.id: one.path.name for one in found if one.path is not None}

    name_alone, other_alone = paths("one", [name]), paths("other", [other])
    together = paths("both", [name, other])
    assert len(together) == 2
    for before, after in ((name_alone, together), (together, other_alone)):
        assert {one: before[one] for one in before.keys() & after.keys()} == {
            one: after[one] for one in before.keys() & after.keys()
        }
    assert not name_alone.keys() & other_alone.keys()


def test_what_one_student_hands_in_does_not_decide_what_the_class_is(lay: Lay, read: Read) -> None:
    names = [f"s{n}/my_pruner.py" for n in range(5)]
    trap = lay("plain", [*names, "evil/x/timestamp.txt", "evil/x/my_pruner.py"])
    found = read(trap)
    assert (found.host, len(found.handins), found.missing) == ("plain", 6, ())
    moodle = [f"S {n}_{n}_assignsubmission_file/my_pruner.py" for n in range(5)]
    more = "S 7_7_assignsubmission_file/x/"
    found = read(lay("moodle", [*moodle, f"{more}timestamp.txt", f"{more}.git/HEAD"]))
    assert (found.host, len(found.handins)) == ("moodle", 6)
    folder = lay("folders", [*names, "Evil_1_assignsubmission_file/x.py", "evil_1_2_x.py"])
    assert read(folder).host == "plain"
    assert read(folder, host="moodle").host == "moodle"
    clones = lay("clones", [f"hw-{n}/.git/HEAD" for n in range(4)] + ["hw-5/my_pruner.py"])
    assert read(clones).host == "classroom"


def test_a_folder_called_submitted_may_be_anybodys(lay: Lay, read: Read) -> None:
    assert read(lay("submitted", ["ann.py", "bo.py"])).host == "plain"
    course = lay("course", ["submitted/ann/ps1/a.py", "submitted/bo/ps1/a.py", "notes.txt"])
    assert read(course).host == "nbgrader"
    lay("more", ["submitted/a.py", *(f"s{n}/a.py" for n in range(3))])
    assert len(read(lay("more", [])).handins) == 4


def test_the_only_folder_is_a_students_if_staff_say_so(
    lay: Lay, read: Read, tmp_path: Path
) -> None:
    folder = lay("class", ["ann/my_pruner.py", "ann/helper.py"])
    found = read(folder)
    assert sorted(by_id(found)) == ["helper.py", "my_pruner.py"]
    assert "ann is the only folder" in found.notes[0]
    assert list(by_id(read(folder, host="plain"))) == ["ann"]
    shutil.make_archive(str(tmp_path / "class"), "zip", tmp_path, "class")
    assert list(by_id(read(tmp_path / "class.zip", host="plain"))) == ["ann"]


@pytest.mark.posix
def test_links_are_not_followed(lay: Lay, read: Read, tmp_path: Path) -> None:
    folder = lay("plain", ["ann.py"])
    (tmp_path / "secret.py").write_text(CODE)
    (folder / "bob.py").symlink_to(tmp_path / "secret.py")
    found = read(folder)
    assert [one.id for one in found.handins] == ["ann.py"]
    assert "bob.py is not a hand-in" in found.notes[0]


def test_a_plain_folder_with_a_roster(lay: Lay, read: Read) -> None:
    """A file may be called as the student's number, login, address or name, if only one is."""
    folder = lay("plain", ["A1.py", "bo.py", "cy@x.edu.py", "Dee Low.py", "Dee Low.zip", "eve.py"])
    roster = (
        "name,login,email,id\nAnn,ann,ann@x.edu,a1\nBo,bo,bo@x.edu,b1\nCy,cy,cy@x.edu,c1\n"
        "Dee Low,dee,dee@x.edu,d1\nEve,eve1,e1@x.edu,e1\nEve,eve2,e2@x.edu,e2\n"
    )
    found = read(folder, roster)
    one = by_id(found)
    assert [one[name].fields["number"] for name in ("A1.py", "bo.py")] == ["a1", "b1"]
    assert "c1" in {handin.fields.get("number") for handin in one.values() if handin.path}
    twice = [handin for handin in found.handins if handin.name == "Dee Low"]
    assert [handin.notes for handin in twice] == [
        ("also handed in: Dee Low.zip; check which one counts",),
        ("also handed in: Dee Low.py; check which one counts",),
    ]
    assert one["eve.py"].notes == ("not in the roster",)  # two are called so
    assert len(found.missing) == 2


def test_a_name_is_not_enough_where_numbers_differ(lay: Lay, read: Read) -> None:
    folder = lay("moodle", ["Jane Smith_11_assignsubmission_file/a.py"])
    found = read(folder, "Identifier,Full name,Grade\nParticipant 12,Jane Smith,\n")
    (handed, missing) = sorted(found.handins, key=lambda one: one.path is None)
    assert handed.notes == ("not in the roster",)
    assert missing.fields["participant"] == "12"


def test_what_is_not_a_class(lay: Lay, read: Read, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read(tmp_path / "none")
    with pytest.raises(UsageError, match=r"found nothing[\s\S]*gradescope: Gradescope's export"):
        read(lay("empty", []))
    with pytest.raises(UsageError, match=r"found a\.txt"):
        read(lay("texts", ["a.txt"]))
    with pytest.raises(UnknownNameError, match="did you mean 'canvas'"):
        read(lay("plain", ["a.py"]), host="canvass")
    with pytest.raises(UsageError, match="is not a time; expected one such as"):
        read(lay("plain", ["a.py"]), due="tomorrow")
    file = tmp_path / "class.zip"
    file.write_text("no")
    with pytest.raises(UsageError, match="is not a zip file that can be read"):
        read(file)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("colour,size\nred,1\n", "has the columns colour, size; expected one of"),
        ("name\n\xff".encode("latin-1"), "cannot be read"),
    ],
)
def test_rosters_that_cannot_be_used(
    lay: Lay, tmp_path: Path, text: str | bytes, words: str
) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=words):
        read_handins(lay("plain", ["a.py"]), work=tmp_path / "work", roster=roster)


def test_a_second_reading_replaces_what_the_first_gathered(lay: Lay, read: Read) -> None:
    folder = lay("canvas", ["a_1_2_x.py", "b_3_4_x.py"])
    first = read(folder)
    (folder / "a_1_2_x.py").unlink()
    second = read(folder)
    assert [one.id for one in first.handins] == ["a_1", "b_3"]
    assert [one.id for one in second.handins] == ["b_3"]
    assert first.handins[0].path is not None
    assert not first.handins[0].path.exists()


def test_a_roster_of_another_class_is_told(lay: Lay, read: Read) -> None:
    folder = lay("mixed-up", ["ann.py", "bob.py", "cay.py"])
    found = read(folder, "name,id\nZed,1\nAnn,ann\n")
    assert found.notes[0].startswith("2 of 3 hand-ins are of nobody in the roster")
    assert not any(
        "of nobody" in note for note in read(folder, "name,id\nAnn,ann\nBob,bob\n").notes
    )
