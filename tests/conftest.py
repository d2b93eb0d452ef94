# SPDX-License-Identifier: BSD-3-Clause
"""Options of the whole test suite."""


def pytest_addoption(parser):
    parser.addoption(
        "--transport",
        action="append",
        help="run the contract suite on this transport (may be repeated); "
        "default: on those that work here",
    )
