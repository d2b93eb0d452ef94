# SPDX-License-Identifier: BSD-3-Clause
"""docs/testing-with-mocks.md: its code runs as it stands there."""

import re
from pathlib import Path

TOP = Path(__file__).parent.parent.parent
TEXT = (TOP / "docs" / "testing-with-mocks.md").read_text(encoding="utf-8")


def test_the_documented_tests_pass(pytester, monkeypatch):
    monkeypatch.setenv("FUSD_TRANSPORT", "fuse")
    files = re.findall(r"```python\n# (\S+)\n(.*?)```", TEXT, re.S)
    assert [name for name, _ in files] == ["thermometer.py", "test_thermometer.py"]
    for name, text in files:
        (pytester.path / name).write_text(text, encoding="utf-8")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=text.count("\ndef test_"))
