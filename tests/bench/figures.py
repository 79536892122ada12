"""What was measured, as it is read: medians, ranges, and ratios within one run."""

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """Rates per second of the same thing, one for each round."""

    name: str
    rates: list[float] = field(default_factory=list)

    def line(self) -> str:
        return f"{self.name:<12}{_spread(self.rates, '10,.0f')}  per second"


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure against another that was taken in turns with it; `goal` is where it is to be."""

    ours: Figure
    theirs: Figure
    goal: float

    @property
    def of_rounds(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.ours.rates, self.theirs.rates, strict=True)]

    @property
    def of_medians(self) -> float:
        return median(self.ours.rates) / median(self.theirs.rates)

    def line(self) -> str:
        of_rounds = f"rounds {min(self.of_rounds):.2f} to {max(self.of_rounds):.2f}"
        return f"{self.ours.name} / {self.theirs.name} = {self.of_medians:.2f}  ({of_rounds}; goal {self.goal:.2f})"


def _spread(values: list[float], form: str) -> str:
    return f"{median(values):{form}}  ({min(values):,.0f} to {max(values):,.0f})"
