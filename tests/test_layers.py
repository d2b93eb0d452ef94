# SPDX-License-Identifier: BSD-3-Clause
"""tools/layers: what it takes for a use, a circle and an upward use in C."""

import importlib.machinery
import importlib.util

import pytest

from support import TOP


@pytest.fixture
def check(monkeypatch, tmp_path):
    """check(files): the floors and the problems of a program of these files."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    loader = importlib.machinery.SourceFileLoader(
        "layers_tool", str(TOP / "tools" / "layers")
    )
    tool = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("layers_tool", loader)
    )
    loader.exec_module(tool)
    monkeypatch.setattr(tool, "TOP", tmp_path)

    def check(files):
        for name, text in files.items():
            path = tmp_path / "program" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        lines, problems = tool.check_c("program")
        return [line.split()[1:] for line in lines[1:-1]], problems

    return check


LOW = "int low(void)\n{\n\treturn 0;\n}\n"


def test_a_caller_is_above_what_it_calls(check):
    floors, problems = check(
        {"high.c": "int high(void)\n{\n\treturn low();\n}\n", "low.c": LOW}
    )
    assert floors == [["high"], ["low"]]
    assert not problems


def test_what_is_named_in_a_table_is_used(check):
    floors, _ = check(
        {"high.c": "const struct table table = {\n\t.call = low,\n};\n", "low.c": LOW}
    )
    assert floors == [["high"], ["low"]]


def test_an_object_of_another_file_is_used(check):
    floors, _ = check(
        {
            "high.c": "extern int limit;\nint high(void)\n{\n\treturn limit;\n}\n",
            "low.c": "int limit = 7;\n",
        }
    )
    assert floors == [["high"], ["low"]]


def test_a_header_is_one_with_the_file_of_its_name(check):
    floors, _ = check(
        {
            "high.c": '#include "low.h"\n',
            "low.c": '#include "low.h"\n' + LOW,
            "low.h": "int low(void);\n",
        }
    )
    assert floors == [["high"], ["low"]]


def test_comments_strings_and_own_static_functions_use_nothing(check):
    floors, problems = check(
        {
            "a.c": '/* low() */\nconst char *a = "low";\n',
            "b.c": "static int mine(void)\n{\n\treturn 1;\n}\n",
            "low.c": LOW + "static int mine(void)\n{\n\treturn 2;\n}\n",
        }
    )
    assert floors == [["a", "b", "low"]]
    assert not problems


def test_a_circle_is_a_problem(check):
    _, problems = check(
        {
            "high.c": "int high(void)\n{\n\treturn low();\n}\n",
            "low.c": "int low(void)\n{\n\treturn high();\n}\n",
        }
    )
    assert problems == [
        "circle: program/high uses program/low (low)",
        "circle: program/low uses program/high (high)",
    ]


def test_a_directory_may_use_what_is_above_it_and_no_sibling(check):
    _, problems = check(
        {
            "low.c": LOW,
            "one/one.c": "int one(void)\n{\n\treturn low();\n}\n",
            "two/two.c": "int two(void)\n{\n\treturn one();\n}\n",
        }
    )
    assert problems == [
        "program/two/two uses program/one/one, which is not above it in the tree"
    ]


def test_a_file_may_use_no_directory_below_it(check):
    _, problems = check(
        {
            "high.c": "int high(void)\n{\n\treturn low();\n}\n",
            "inside/low.c": LOW,
        }
    )
    assert problems == [
        "program/high uses program/inside/low, which is not above it in the tree"
    ]
