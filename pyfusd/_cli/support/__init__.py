# SPDX-License-Identifier: BSD-3-Clause
"""What the subcommands of `fusd` share, and the processes that they run."""
