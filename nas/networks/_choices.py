"""Search spaces written as an ordinary module with labelled choices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import nn

from automl_zero._config_values import choice
from nas.networks._seeding import seeded_weights
from nas.spaces import Architecture, ChoiceSpace, Decision

T = TypeVar("T")

ModuleFactory = Callable[[], nn.Module]


@dataclass(slots=True)
class _Reading:
    """What a factory is told to choose, and the choices that it was found to make."""

    wanted: Mapping[str, str] = field(default_factory=dict)
    met: dict[str, tuple[str, ...]] = field(default_factory=dict)
    explored: set[str] = field(default_factory=set)
    """Labels whose options are made one at a time: others may hide behind each."""

    def decide(self, label: str, options: tuple[str, ...], one_at_a_time: bool) -> str:
        if self.met.setdefault(label, options) != options:
            raise ValueError(
                f"{label}: expected the options {self.met[label]} as where the label stood "
                f"before, received {options}"
            )
        if one_at_a_time:
            self.explored.add(label)
        return choice(label, self.wanted.get(label, options[0]), options)


_reading: ContextVar[_Reading | None] = ContextVar("reading", default=None)


@contextmanager
def _read_with(wanted: Mapping[str, str]) -> Iterator[_Reading]:
    reading = _Reading(wanted)
    token = _reading.set(reading)
    try:
        yield reading
    finally:
        _reading.reset(token)


def _decide(label: str, options: tuple[str, ...], one_at_a_time: bool) -> str:
    if not isinstance(label, str) or not label or set(label) & set(" \t\n="):
        raise ValueError(f"label: expected a word without '=', received {label!r}")
    Decision(label, options)
    for option in options:
        if len(option.split()) != 1:
            raise ValueError(f"{label}: expected options that are words, received {option!r}")
    return (_reading.get() or _Reading()).decide(label, options, one_at_a_time)


class Choice(nn.Module):
    """A place of a network where one of several modules stands.

    Put it into any module; :func:`space_of` finds it, and :func:`build` puts the chosen module
    in its place. Until then it runs the option that is ``chosen``, at first the first one: so a
    network with choices can be run as it is, and its options keep their weights from one
    choice to the next.

    Args:
        label: Name of the decision. Choices with the same label are one decision.
        options: Modules by name; or functions that make one, of which ``build`` calls the
            chosen one only.

    Raises:
        ValueError: If there is no option, or the label has other options elsewhere.

    >>> op = Choice("op1", {"conv3": nn.Conv2d(3, 8, 3, padding=1), "conv1": nn.Conv2d(3, 8, 1)})
    >>> op.chosen
    'conv3'
    >>> op.select("conv1")
    >>> choices_of(nn.Sequential(op, nn.ReLU()))
    {'op1': 'conv1'}
    """

    def __init__(
        self, label: str, options: Mapping[str, nn.Module | Callable[[], nn.Module]]
    ) -> None:
        super().__init__()
        lazy = any(not isinstance(option, nn.Module) for option in options.values())
        self.label = label
        self.chosen = _decide(label, tuple(options), lazy)
        # Only where a network is built or read may options be missing.
        building = _reading.get() is not None
        self.options = nn.ModuleDict()
        for name, option in options.items():
            if isinstance(option, nn.Module):
                self.options[name] = option
            elif name == self.chosen or not building:
                self.options[name] = option()

    def select(self, option: str) -> None:
        """Run this option from now on.

        Raises:
            ValueError: If there is no such option.
        """
        self.chosen = choice(self.label, option, self.options)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return self.options[self.chosen](*inputs, **named)

    def extra_repr(self) -> str:
        return f"{self.label!r}, chosen={self.chosen!r}"


def choice_value(label: str, options: Sequence[T]) -> T:
    """One of several values, for a width, a kernel size, a number of layers.

    Outside of :func:`space_of` and :func:`build` it is the first. Layers whose number is chosen
    may have choices of their own; where they do not exist, their choices make no difference to
    the architecture's key.

    Args:
        label: Name of the decision. Values with the same label are one decision.
        options: What to choose from; their texts name them, and must differ.

    Raises:
        ValueError: If there is no option, or the label has other options elsewhere.

    >>> choice_value("width", (16, 32))
    16
    """
    options = tuple(options)
    names = tuple(map(str, options))
    return options[names.index(_decide(label, names, True))]


class ModuleSpace(ChoiceSpace):
    """The architectures of a function that makes a module with choices: see :func:`space_of`.

    Attributes:
        factory: The function.
    """

    def __init__(self, factory: ModuleFactory, decisions: Sequence[Decision], nested: bool) -> None:
        super().__init__(decisions)
        self.factory = factory
        self._nested = nested
        self._live_labels: dict[Architecture, frozenset[str]] = {}

    def choices(self, genome: Architecture) -> dict[str, str]:
        """The chosen option of each label."""
        return {
            decision.name: decision.options[option]
            for decision, option in zip(self.decisions, genome, strict=True)
        }

    def key(self, genome: Architecture) -> str:
        """The choices that the network has; those behind an option that is not taken do not
        count."""
        if not self._nested:
            return self.to_text(genome)
        live = self._live_labels.get(genome)
        if live is None:
            live = self._live_labels[genome] = self._read_live_labels(genome)
        chosen = self.choices(genome).items()
        return " ".join(f"{label}={option}" for label, option in chosen if label in live)

    def _read_live_labels(self, genome: Architecture) -> frozenset[str]:
        with seeded_weights(0), _read_with(self.choices(genome)) as reading:
            module = self.factory()
        # Options that are made stand in the module whether they are taken or not.
        made = {item.label for item in module.modules() if isinstance(item, Choice)}
        taken: set[str] = set()
        _without_choices(module, taken)
        return frozenset((reading.met.keys() - made) | taken)


def space_of(factory: ModuleFactory) -> ModuleSpace:
    """The search space of a function that makes a module.

    The function is called to see which choices it makes: once, and once more for each option
    of a :func:`choice_value` or of a :class:`Choice` between functions, since further choices
    may depend on it.

    Args:
        factory: Makes the module; takes no arguments.

    Raises:
        ValueError: If the module makes no choice, or the function gives no module.

    >>> def make():
    ...     width = choice_value("width", (16, 32))
    ...     first = nn.Conv2d(3, width, 3)
    ...     second = Choice("second", {"none": nn.Identity(), "conv": nn.Conv2d(width, width, 1)})
    ...     return nn.Sequential(first, second)
    >>> space = space_of(make)
    >>> space.to_text((1, 0))
    'width=32 second=none'
    >>> build(space, (1, 0))
    Sequential(
      (0): Conv2d(3, 32, kernel_size=(3, 3), stride=(1, 1))
      (1): Identity()
    )
    """
    found: dict[str, tuple[str, ...]] = {}
    tried: set[tuple[str, str]] = set()
    to_try: list[dict[str, str]] = [{}]
    nested = False
    while to_try:
        wanted = to_try.pop(0)
        with seeded_weights(0), _read_with(wanted) as reading:
            module = _checked(factory())
        for label, options in reading.met.items():
            if found.setdefault(label, options) != options:
                raise ValueError(
                    f"{label}: expected the same options whatever else is chosen, received "
                    f"{found[label]} and {options}"
                )
            if label in reading.explored:
                for option in options:
                    if (label, option) not in tried:
                        tried.add((label, option))
                        to_try.append({**wanted, label: option})
        nested = nested or set(reading.met) != set(found)
        choices = [item for item in module.modules() if isinstance(item, Choice)]
        nested = nested or any(
            isinstance(inner, Choice) for item in choices for inner in item.options.modules()
        )
    if not found:
        raise ValueError("factory: expected a module with choices, received one without")
    decisions = [Decision(label, options) for label, options in found.items()]
    return ModuleSpace(factory, decisions, nested)


def build(
    factory: ModuleFactory | ModuleSpace,
    architecture: Architecture | Mapping[str, str] | str,
    *,
    seed: int = 0,
) -> nn.Module:
    """The module of an architecture, in which the chosen options stand in place of choices.

    It is what the factory would have made if it had been written without choices, and holds
    nothing of this package (unless the options are from here). To save it for machines without
    this package, either the file with its class must not import it (give the class modules and
    numbers, and let the factory make the choices); or use :func:`to_standalone`.

    Args:
        factory: A function that makes a module, or its space.
        architecture: An architecture of :func:`space_of` the function, its text, or the chosen
            option of each label.
        seed: Of the first weights.

    Raises:
        ValueError: If the architecture is none of the space.
    """
    space = factory if isinstance(factory, ModuleSpace) else space_of(factory)
    if isinstance(architecture, Mapping):
        words = [f"{d.name}={architecture.get(d.name)}" for d in space.decisions]
        unknown = set(architecture) - {d.name for d in space.decisions}
        if unknown:
            raise ValueError(f"architecture: unknown label {min(unknown)!r}")
        architecture = " ".join(words)
    if isinstance(architecture, str):
        architecture = space.from_text(architecture)
    wanted = space.choices(space.from_data(architecture))
    with seeded_weights(seed), _read_with(wanted) as reading:
        module = _checked(space.factory())
    unknown = set(reading.met) - set(wanted)
    if unknown:
        raise ValueError(
            f"{min(unknown)}: expected a label that space_of could find: it depends on more than "
            "one choice"
        )
    return _without_choices(module, set())


def choices_of(module: nn.Module) -> dict[str, str]:
    """The option that is chosen now, for each label of the choices in a module."""
    return {item.label: item.chosen for item in module.modules() if isinstance(item, Choice)}


def _checked(module: Any) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise ValueError(f"factory: expected to make an nn.Module, received {module!r}")
    return module


def _without_choices(module: nn.Module, taken: set[str]) -> nn.Module:
    """The module with chosen options in place of its choices, whose labels go to ``taken``."""
    while isinstance(module, Choice):
        taken.add(module.label)
        module = module.options[module.chosen]
    for name, child in list(module.named_children()):
        plain = _without_choices(child, taken)
        if plain is not child:
            setattr(module, name, plain)
    return module
