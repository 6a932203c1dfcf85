"""Prints the long options of all commands of the oci that is installed beside this Python, for
fixtures/oci-options.txt: python3 tests/e2e/oci_options.py

With the argument `first`, prints the words that a command can begin with and the options that can stand before
them, each with whether it takes a value, for src/oci/command_line.rs."""

import sys

import click

only_first = sys.argv[1:] == ["first"]
sys.argv = ["oci"]  # oci's modules read it when they are loaded

from oci_cli import dynamic_loader
from oci_cli.cli_root import cli


def names(command):
    for param in command.params:
        if isinstance(param, click.Option):
            yield from (name for name in [*param.opts, *param.secondary_opts] if name.startswith("--"))
    for part in getattr(command, "commands", {}).values():
        yield from names(part)


dynamic_loader.load_all_services()
if only_first:
    options = [param for param in cli.params if isinstance(param, click.Option)]
    before = [(name, not param.is_flag) for param in options for name in [*param.opts, *param.secondary_opts]]
    print("\n".join([*sorted(cli.commands), *(f"{name} {takes_value}" for name, takes_value in sorted(before))]))
else:
    print("\n".join(sorted(set(names(cli)))))
