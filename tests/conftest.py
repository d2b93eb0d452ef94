# SPDX-License-Identifier: BSD-3-Clause
"""Options and limits of the whole test suite."""

import resource

from scale import SCALE


def pytest_addoption(parser):
    parser.addoption(
        "--transport",
        action="append",
        help="run the contract suite on this transport (may be repeated); "
        "default: on those that work here",
    )


def pytest_configure(config):
    # Hundreds of clients and a thousand devices: more than the usual 1,024.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def pytest_report_header():
    if SCALE != 1:
        return f"FUSD_TEST_SCALE: great numbers in tests are times {SCALE:g}"
    return None
