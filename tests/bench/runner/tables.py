"""Figures as tables on stdout, and as one object for --json."""

import math

from . import measure

BASE = "glibc"


def geometric_mean(ratios):
    return math.exp(sum(math.log(ratio) for ratio in ratios) / len(ratios)) if ratios else None


def spread(figure):
    return (figure["most"] - figure["least"]) / abs(figure["median"]) if figure["median"] else 0


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def cell(figure, base):
    if figure is None:
        return "failed"
    if base is None or base["median"] <= 0:
        return number(figure["median"])
    return f"{number(figure['median'])} ({figure['median'] / base['median']:.2f})"


class Table:
    """Rows of one figure: a row has a name and, for each allocator, median, least and most.
    Means are for tables whose columns are allocators."""

    def __init__(self, title, unit, names, means=True):
        self.title, self.unit, self.names, self.means = title, unit, names, means
        self.rows = {}

    def add(self, row, taken, figure):
        """taken: allocator -> list of figures, as measure.take_turns returns them."""
        self.rows[row] = {name: measure.summary([one[figure] for one in figures])
                          for name, figures in taken.items() if figures}

    def add_cell(self, row, name, values):
        self.rows.setdefault(row, {})[name] = measure.summary(values)

    def ratios(self, name, reference):
        """The row's figure over the reference's, for all rows that have both."""
        pairs = ((row.get(name), reference(row)) for row in self.rows.values())
        return [mine["median"] / theirs for mine, theirs in pairs
                if mine and theirs and mine["median"] > 0]

    def base(self, row):
        return row[BASE]["median"] if BASE in row else None

    def best_other(self, row):
        """The least of those that are not ours."""
        others = [figure["median"] for name, figure in row.items() if not name.startswith("mpress")]
        return min(others) if others else None

    def print(self):
        beside = f", in brackets the ratio to {BASE}" if BASE in self.names else ""
        print(f"\n### {self.title}\n\nMedian {self.unit}{beside}; spread: (most - least) / median "
              "of the row's least steady column.\n")
        print(f"| | {' | '.join(self.names)} | spread |")
        print("|---|" + "--:|" * (len(self.names) + 1))
        for name, row in self.rows.items():
            cells = [cell(row.get(heap), row.get(BASE)) for heap in self.names]
            worst = max((spread(figure) for figure in row.values()), default=0)
            print(f"| {name} | {' | '.join(cells)} | {worst:.0%} |")
        if self.means and len(self.rows) > 1:
            self.print_mean(f"geometric mean of the ratios to {BASE}", self.base)
            self.print_mean("to the best of the others", self.best_other)

    def print_mean(self, title, reference):
        means = [geometric_mean(self.ratios(name, reference)) for name in self.names]
        print(f"| {title} | {' | '.join('' if m is None else f'{m:.3f}' for m in means)} | |")

    def result(self):
        return {"title": self.title, "unit": self.unit, "rows": self.rows}
