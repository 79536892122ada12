"""All figures of a run as one table for people, and as JSON for comparing runs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from tests.bench.figures import Absolute, Figure, Ratio

Line = Figure | Ratio | Absolute
HEADS = ("figure", "against", "ours", "theirs", "ratio", "rounds", "goal", "")
MET, MISSED = "met", "MISSED"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. What a figure has not, such as one without a goal, is None."""

    figure: str
    unit: str
    ours: float
    against: str | None = None
    theirs: float | None = None
    ratio: float | None = None
    least: float | None = None
    most: float | None = None
    goal: float | None = None
    at_most: bool = False

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        reached = self.ours if self.ratio is None else self.ratio
        return MET if (reached <= self.goal if self.at_most else reached >= self.goal) else MISSED

    def cells(self) -> tuple[str, ...]:
        rounds = "" if self.least is None or self.most is None else f"{_short(self.least)} to {_short(self.most)}"
        goal = "" if self.goal is None else f"{'≤' if self.at_most else '≥'} {_short(self.goal)}"
        ours = f"{_short(self.ours)} {self.unit}"
        ratio = (_short(self.theirs), _short(self.ratio), rounds)
        return (self.figure, self.against or "", ours, *ratio, goal, self.verdict)


def row(line: Line) -> Row:
    match line:
        case Ratio(ours, theirs, goal, at_most):
            rounds = line.of_rounds
            medians = {"ours": median(ours.rates), "theirs": median(theirs.rates), "ratio": line.of_medians}
            spread = {"least": min(rounds), "most": max(rounds)}
            return Row(ours.name, ours.unit, against=theirs.name, goal=goal, at_most=at_most, **medians, **spread)
        case Absolute(figure, goal, at_most):
            return _alone(figure, goal, at_most=at_most)
        case Figure():
            return _alone(line, None)


def _alone(figure: Figure, goal: float | None, *, at_most: bool = False) -> Row:
    values = figure.rates
    spread = {"least": min(values), "most": max(values)}
    return Row(figure.name, figure.unit, ours=median(values), goal=goal, at_most=at_most, **spread)


def draw(rows: Sequence[Row]) -> list[str]:
    """Return the table's lines, as wide as their widest cells."""
    cells = [HEADS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    return [asdict(row) | {"verdict": row.verdict} for row in rows]


def _short(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"
