"""The command ``automl-zero``.

Index:
    :func:`main`: the console script; turns every error into one line and an exit code.
    :data:`app`: the commands, for embedding and tests.

One private module per command: ``_demo``, ``_evolve``, ``_resume``, ``_runs``, ``_show``,
``_report``, ``_compare``, ``_evaluate``, ``_trace``, ``_export``, ``_ops``, ``_configs``.
Shared by them: ``_search`` runs a search with its display (``_progress``), ``_results`` prints
and writes what it found, ``_task_options`` chooses tasks.

Packages that build on this one add commands by the entry point group ``automl_zero.commands``:
a name and a Typer application.
"""

from automl_zero.cli._app import app, main

__all__ = ["app", "main"]
