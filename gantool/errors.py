"""The kinds of failure that a user is told about: one sentence each, and an exit code.

The sentence says what is wrong, where, and what to do. The command line prints it without a traceback
(`--debug` shows one); library users catch :class:`GantoolError`.
"""

from __future__ import annotations


class GantoolError(Exception):
    """The work was asked for properly but failed: a damaged checkpoint, a diverged loss, a full disk."""

    exit_code = 1


class UsageError(GantoolError, ValueError):
    """The request itself cannot be carried out: an option, a configuration field or an input is wrong."""

    exit_code = 2


class UnreadableError(UsageError):
    """The system does not give an input that is there, such as for lack of permission: it need not be damaged."""
