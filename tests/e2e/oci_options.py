"""Prints the long options of all commands of the oci that is installed beside this Python, for
fixtures/oci-options.txt: python3 tests/e2e/oci_options.py"""

import sys

import click

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
print("\n".join(sorted(set(names(cli)))))
