"""`plantkit schema`: print the JSON Schema of what plantkit writes."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """Print the JSON Schema called NAME, or the names of all schemas.

    \b
    Examples:
      plantkit schema
      plantkit schema results
    """
    from plantkit.schemas import load_schema, schema_names

    if name is None:
        click.echo("\n".join(schema_names()))
    else:
        click.echo(json.dumps(load_schema(name), indent=2))
