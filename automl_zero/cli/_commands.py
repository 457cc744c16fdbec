"""Commands of other packages: entry points of the group ``automl_zero.commands``.

    [project.entry-points."automl_zero.commands"]
    nas = "nas.cli:app"

The value is a Typer application. It loads when its command or the list of commands is asked for.
"""

from __future__ import annotations

from functools import cached_property
from importlib import metadata
from typing import Any, Final

import typer
from typer.core import TyperGroup

from automl_zero.cli._output import RunFailure

GROUP: Final = "automl_zero.commands"


class CommandGroup(TyperGroup):
    """The commands of the application, and those that entry points add."""

    @cached_property
    def _added(self) -> dict[str, metadata.EntryPoint]:
        return {entry.name: entry for entry in metadata.entry_points(group=GROUP)}

    def list_commands(self, ctx: Any) -> list[str]:
        """Own commands first."""
        own = super().list_commands(ctx)
        return [*own, *sorted(name for name in self._added if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; None if there is none.

        Raises:
            RunFailure: If it cannot be loaded.
        """
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in self._added:
            entry = self._added[cmd_name]
            try:
                command = typer.main.get_command(entry.load())
            except Exception as error:
                raise RunFailure(f"{cmd_name}: cannot load {entry.value}: {error}") from error
            command.name = cmd_name
        return command
