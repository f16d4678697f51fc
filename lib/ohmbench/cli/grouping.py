"""How the command's help is laid out, which old options still work, and what a shell completes.

typer checks values with pydantic and renders help with rich. Neither is loaded for help or for a
completion, which have no values to check and are wanted at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer import _completion_classes
from typer._completion_shared import Shells
from typer.core import TyperCommand, TyperGroup

from ohmbench.errors import OperandError

if TYPE_CHECKING:
    from typer._click.formatting import HelpFormatter

OLD_OPTIONS = {
    "evaluate": {"--points": "--samples"},
    "predict": {"--index": "--image"},
    "sample": {"--number": "--samples"},
}
"""Command -> earlier names of its options. They work as ever, but no help shows them."""

_WHOLE = 1000
"""Characters: more than any first sentence has."""


class Command(TyperCommand):
    """A command whose first sentence is its short help, and which still knows its old options."""

    def get_short_help_str(self, limit: int = _WHOLE) -> str:
        """The first sentence, never cut."""
        return super().get_short_help_str(_WHOLE)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse ``args`` with old options' names replaced by the present ones."""
        _take_as_typed(self, ctx)
        return super().parse_args(ctx, renamed(args, OLD_OPTIONS.get(self.name or "", {})))

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The options that begin so, each with the first sentence of its help."""
        return [_shortened(item) for item in super().shell_complete(ctx, incomplete)]


def renamed(words: list[str], names: dict[str, str]) -> list[str]:
    """``words`` with options that are keys of ``names`` called by its values, up to ``--``."""
    end = words.index("--") if "--" in words else len(words)
    found = []
    for word in words[:end]:
        option, equals, value = word.partition("=")
        found.append(f"{names.get(option, option)}{equals}{value}")
    return found + words[end:]


def _take_as_typed(command: Any, ctx: Any) -> None:
    """Where a shell asks for a completion, values are neither converted nor checked."""
    if ctx.resilient_parsing:
        for parameter in command.get_params(ctx):
            parameter.process_value = lambda ctx, value: value


def _check_shell(args: list[str]) -> None:
    """Raise OperandError where completion is asked for in a shell that has none."""
    asked = [word for word in args[:1] if word in ("--install-completion", "--show-completion")]
    if not asked:
        return
    import shellingham  # by which typer finds out, too

    try:
        shell, _ = shellingham.detect_shell()
    except shellingham.ShellDetectionFailure:
        shell = "an unknown shell"
    if shell not in Shells.__members__:
        raise OperandError(
            f"{asked[0]}: not for {shell}; run it in one of {', '.join(Shells.__members__)}"
        )


def _shortened(item: Any) -> Any:
    if item.help is not None:
        item.help = f"{item.help.split('. ')[0].removesuffix('.')}."
    return item


class Group(TyperGroup):
    """A group of commands whose help lists them by panel, each with its whole first sentence."""

    def get_short_help_str(self, limit: int = _WHOLE) -> str:
        """The first sentence, never cut."""
        return super().get_short_help_str(_WHOLE)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse ``args``; flags that are not given are False."""
        _take_as_typed(self, ctx)
        if not ctx.resilient_parsing:
            _check_shell(args)
        for parameter in self.get_params(ctx):
            # typer leaves --help and its flags for completion at None, which pydantic would check.
            if getattr(parameter, "is_flag", False) and parameter.default is None:
                parameter.default = False
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The subcommands and options that begin so, each with the first sentence of its help."""
        return [_shortened(item) for item in super().shell_complete(ctx, incomplete)]

    def _main_shell_completion(self, *args: Any, **named: Any) -> None:
        # rich would break an item's help at the terminal's width, and fish takes each line for a
        # candidate.
        _completion_classes._sanitize_help_text = lambda text: text
        super()._main_shell_completion(*args, **named)

    def format_commands(self, ctx: Any, formatter: HelpFormatter) -> None:
        """Write one section per panel, in the order in which the commands were added."""
        panels: dict[str, list[tuple[str, str]]] = {}
        names = self.list_commands(ctx)
        widest = max(map(len, names), default=0)
        for name in names:
            command: Any = self.get_command(ctx, name)
            if not command.hidden:
                row = (name.ljust(widest), command.get_short_help_str())
                panels.setdefault(command.rich_help_panel or "Commands", []).append(row)
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)
