"""What was measured, as it is read: medians, ranges, and how they stand to a goal within one run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """Measures of the same thing, one for each round: rates per second, unless `unit` says otherwise."""

    name: str
    rates: list[float] = field(default_factory=list)
    unit: str = "per second"

    def line(self) -> str:
        return f"{self.name:<24}{_shown(median(self.rates)):>10}  ({_range(self.rates)})  {self.unit}"


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure against another that was taken in turns with it; `goal` is the least or, `at_most`, the most."""

    ours: Figure
    theirs: Figure
    goal: float
    at_most: bool = False

    @property
    def of_rounds(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.ours.rates, self.theirs.rates, strict=True)]

    @property
    def of_medians(self) -> float:
        return median(self.ours.rates) / median(self.theirs.rates)

    def line(self) -> str:
        rounds = f"rounds {min(self.of_rounds):.2f} to {max(self.of_rounds):.2f}"
        goal = _goal(f"{self.goal:.2f}", at_most=self.at_most)
        return f"{self.ours.name} / {self.theirs.name} = {self.of_medians:.2f}  ({rounds}; {goal})"


@dataclass(frozen=True, slots=True)
class Absolute:
    """A figure that has a goal of its own, whatever the machine."""

    figure: Figure
    goal: float
    at_most: bool = True

    def line(self) -> str:
        values = self.figure.rates
        shown, goal = _shown(median(values)), _goal(_shown(self.goal), at_most=self.at_most)
        return f"{self.figure.name} = {shown} {self.figure.unit}  (rounds {_range(values)}; {goal})"


def _goal(shown: str, *, at_most: bool) -> str:
    return f"goal at {'most' if at_most else 'least'} {shown}"


def _range(values: Sequence[float]) -> str:
    return f"{_shown(min(values))} to {_shown(max(values))}"


def _shown(value: float) -> str:
    """Return a number with as many digits as say something."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
