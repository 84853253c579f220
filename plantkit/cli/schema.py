"""`plantkit schema`: print the JSON Schema of what plantkit reads or writes."""

from __future__ import annotations

import click

from plantkit.cli.output import json_text, write_output


@click.command()
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """Print the JSON Schema called NAME, or the names of all schemas.

    \b
    Examples:
      plantkit schema
      plantkit schema results
    """
    from plantkit import schemas

    if name is None:
        write_output("\n".join(schemas.schema_names()))
    else:
        write_output(json_text(schemas.load_schema(name)))
