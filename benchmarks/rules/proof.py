"""The proof of the rules: seeded defects, clean scenes and real datasets, as tables of docs/results/rules.md.

Run as `python -m benchmarks.rules.proof FOLDER`; FOLDER holds the real datasets (docs/real_data.md). What people said
of the findings after looking at them is in proof.yaml, and is kept: `python -m benchmarks.rules.proof FOLDER
DRAWN` draws up to ten findings, at random but always the same, of each rule and dataset that it does not judge yet.
"""

import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

import segdata
from benchmarks.shared.real_sets import RealSet, real_sets
from segdata.agreement.inference import wilson_interval
from segdata.core.finding import Finding
from segdata.core.rule import rules
from segdata.formats.shared.images import image_limits
from segdata.report.pictures.overlays import draw_image
from tests.generators.sample.dataset import CLEAN, make
from tests.generators.seeded_defects import DefectComparison, compare_defects, read_seeded_defects

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "results" / "rules.md"
MOST = 10  # findings of one rule in one dataset that are looked at
IMAGES = 12  # of each clean set
Judgement = dict[str, Any]  # Any: YAML values


@dataclass(frozen=True)
class Found:
    """What was found in a real dataset."""

    of: RealSet
    n_images: int
    findings: tuple[Finding, ...]  # one by one, of opt-in rules too
    told: tuple[Finding, ...] = ()  # as `segdata validate` reports them

    def by_code(self) -> dict[str, list[Finding]]:
        """The findings of each rule."""
        several: dict[str, list[Finding]] = defaultdict(list)
        for finding in self.findings:
            several[finding.code].append(finding)
        return dict(sorted(several.items()))


@dataclass(frozen=True)
class Row:
    """What a rule found in a dataset, and what was said of the findings that were looked at."""

    code: str
    dataset: str
    n_images: int
    found: int
    looked: int = 0
    right: int = 0
    debatable: int = 0
    wrong: int = 0


def written(name: str, lines: Iterable[str], page: Path = PAGE) -> None:
    """Put the lines where `<!-- name -->` stands in the page, up to `<!-- / -->`."""
    text = page.read_text(encoding="utf-8")
    part = "\n".join((f"<!-- {name} -->", "", *lines, "", "<!-- / -->"))
    pattern = rf"<!-- {name} -->.*?<!-- / -->"
    if not re.search(pattern, text, re.DOTALL):
        raise SystemExit(f"{page} has no place for {name!r}")
    page.write_text(re.sub(pattern, lambda _: part, text, count=1, flags=re.DOTALL), encoding="utf-8")


def judgements() -> dict[str, Any]:
    """What people said: `real`, a list with rule and dataset, and `beyond`, findings that no seed explains."""
    said: dict[str, Any] = yaml.safe_load((HERE / "proof.yaml").read_text(encoding="utf-8"))
    return said


def spoiled(folder: Path) -> dict[str, DefectComparison]:
    """Seeded defects against findings, for each spoiled dataset of the sample data."""
    return {
        name: compare_defects(
            entries, segdata.validate(folder / "defects" / name, select="SEG", one_by_one=True).findings
        )
        for name, entries in read_seeded_defects(folder / "defects").items()
    }


def rows(found: Iterable[Found], said: Iterable[Judgement]) -> Iterator[Row]:
    """One row for each rule and dataset with findings, by rule."""
    known = {(each["rule"], each["dataset"]): each for each in said}
    several = []
    for each in found:
        for code, findings in each.by_code().items():
            judged = known.get((code, each.of.name), {})
            if judged.get("found", len(findings)) != len(findings):
                judged = {}  # other findings than those that were judged
            said_of = {key: judged[key] for key in Row.__annotations__.keys() & judged.keys() - {"rule", "dataset"}}
            several.append(Row(code, each.of.name, each.n_images, **{"found": len(findings), **said_of}))
    yield from sorted(several, key=lambda row: row.code)


def number(count: float | None) -> str:
    """A number for a table: nothing for 0."""
    return "–" if count is None else f"{count:,.1f}".removesuffix(".0") if count else ""


def rule_table(proofs: dict[str, DefectComparison], real: list[Row]) -> list[str]:
    """One line for each rule with findings in real data, with Wilson's interval of the share that is right."""
    hit = Counter(each["code"] for proof in proofs.values() for each in proof.found)
    missed = Counter(each["code"] for proof in proofs.values() for each in proof.missed)
    seeded = {code: f"{hit[code]} of {hit[code] + missed[code]}" for code in hit | missed}
    lines = [
        "| rule | severity | seeded, found | real data | looked at | right | debatable | wrong | share right (95 %) |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    silent = []
    for code, rule in rules().items():
        if rule.command != "validate":
            continue
        mine = [row for row in real if row.code == code]
        if not mine:
            silent.append(f"{code} {rule.name} ({seeded.get(code, 'none')})")
            continue
        keys = ("found", "looked", "right", "debatable", "wrong")
        counts = {key: sum(getattr(row, key) for row in mine) for key in keys}
        share = ""
        if looked := counts["looked"]:
            low, high = wilson_interval(np.array(float(counts["right"])), np.array(float(looked)))
            share = f"{counts['right'] / looked:.2f} ({low:.2f} to {high:.2f})"
        cells = " | ".join(number(count) for count in counts.values())
        severity = rule.severity + ", opt-in" * rule.opt_in
        lines.append(f"| {code} {rule.name} | {severity} | {seeded.get(code, '')} | {cells} | {share} |")
    total = sum(hit.values())
    return [
        *lines,
        "",
        f"{total} of {total + sum(missed.values())} seeded defects are found at their places. "
        f"These rules have no finding in the real data (in brackets: seeded defects, found): {', '.join(silent)}.",
    ]


def alarm_table(found: Iterable[Found]) -> list[str]:
    """One line for each real dataset: how much `segdata validate` reports."""
    lines = [
        "| dataset | images | errors of 1,000 images | warnings an image | one by one | folded |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for each in found:
        errors, warnings = (sum(one.severity == severity for one in each.told) for severity in ("error", "warning"))
        default = [one for one in each.findings if not rules()[one.code].opt_in]
        single = sum(one.severity == "warning" for one in default)
        folded = Counter({one.code: one.count for one in each.told if one.count > 1 and one.image is None})
        names = ", ".join(f"{code} {count:,}" for code, count in sorted(folded.items()))
        rates = [1000 * errors / each.n_images, warnings / each.n_images, single / each.n_images]
        cells = " | ".join(f"{rate:,.2f}" if position else number(rate) for position, rate in enumerate(rates))
        lines.append(f"| {each.of.name} | {each.n_images:,} | {cells} | {names} |")
    return lines


def draw(found: Found, path: Path, said: Iterable[Judgement], folder: Path) -> None:
    """Draw some of the findings that nobody judged yet, each image on its own."""
    judged = {(each["rule"], each["dataset"], each["found"]) for each in said}
    dataset = segdata.read(path, **found.of.opening)
    for code, several in found.by_code().items():
        if (code, found.of.name, len(several)) in judged:
            continue
        chosen = random.Random(code).sample(several, min(MOST, len(several)))
        into = folder / f"{code} {found.of.name}".replace("/", "-")
        into.mkdir(parents=True, exist_ok=True)
        (into / "findings.txt").write_text("".join(f"{each}\n" for each in chosen), encoding="utf-8")
        with image_limits():
            for number, finding in enumerate(chosen):
                if finding.image is not None and finding.image in dataset.image_ids:
                    draw_image(dataset, finding.image, [finding], into / str(number))


def main(folder: Path, drawn: Path | None) -> None:
    """Validate everything, and write the tables."""
    said = judgements()
    why = {(each["rule"], each["dataset"]): each["why"] for each in said["beyond"]}
    real = []
    for each, path in real_sets(folder):
        single = segdata.validate(path, select="SEG", one_by_one=True, **each.opening)
        told = segdata.validate(path, **each.opening).findings
        real.append(Found(each, single.n_images, single.findings, told))
        print(f"{each.name}: {len(single.findings)} in {len(told)}", flush=True)
        if drawn is not None:
            draw(real[-1], path, said["real"], drawn)
    with TemporaryDirectory() as scratch:
        make(scratch, images=IMAGES, only=("clean", "defects"))
        clean = [
            each for name in CLEAN for each in segdata.validate(Path(scratch, "clean", name), one_by_one=True).findings
        ]
        proofs = spoiled(Path(scratch))
    written("rules", rule_table(proofs, list(rows(real, said["real"]))))
    written("alarms", alarm_table(real))
    print(f"{len(clean)} findings in clean scenes")
    for name, proof in proofs.items():
        for code, count in Counter(finding.code for finding in proof.beyond).items():
            print(f"{name}: {count} {code} beside the seeded defects: {why.get((code, name), 'unexplained')}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
