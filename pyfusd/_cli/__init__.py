# SPDX-License-Identifier: BSD-3-Clause
"""The command `fusd`: one module a subcommand, in support what they share."""
