"""`grader similarity`: compile the class and former years, compare, and write the instructor's report."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from markupsafe import Markup, escape
from rich.console import Console

from grader.cli.progress import say
from grader.core.files import write_atomically
from grader.core.templating import environment
from grader.core.text import clean
from grader.grading.config import RunConfig
from grader.grading.session import Compiling, open_compiler
from grader.student.kit import kit_file
from grader.student.observing import observe
from grader.submissions import similarity
from grader.submissions.given_code import in_folder, of_torch
from grader.submissions.intake import discover
from grader.submissions.loader import Submission
from grader.submissions.manifest import own_lines
from grader.submissions.references import references_for
from grader.submissions.similarity import Candidate, Findings, Origin

#: Measured with `python benchmarks/similarity.py 10`.
_RATES = "92 of 100 reported pairs were copies, 95 of 100 copies were reported, and 5 of 31,540 honest pairs were"


def run_similarity(
    config: RunConfig, submissions: Path, former: Sequence[Path], given: Sequence[Path], out: Path
) -> None:
    """Write `out`/report.html and report.json. Raises GraderError."""
    console = Console()
    found = [(submission, Origin.CLASS, "") for submission in discover(submissions).submissions]
    for folder in dict.fromkeys(path.resolve() for path in former):
        found += [(submission, Origin.FORMER, str(folder)) for submission in discover(folder).submissions]
    known = [kit_file("scheduler.py"), *of_torch(), *(code for folder in given for code in in_folder(folder))]
    with (
        console.status("compiling and comparing"),
        open_compiler(config, lambda text: say(console, text)) as compiling,
    ):
        found += [(entry.submission, Origin.REFERENCE, "") for entry in references_for(None, compiling.facts)]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            candidates = list(pool.map(lambda one: _candidate(one[0], one[1], one[2], compiling), found))
    findings = similarity.compare(candidates, known)
    compared = [c for c in candidates if c.origin is not Origin.REFERENCE]
    write_atomically(out / "report.html", page(findings, submissions.name, compared))
    write_atomically(out / "report.json", findings.model_dump_json(indent=1) + "\n")
    for pair in findings.pairs:
        say(console, f"{pair.a.id} and {pair.b.id}: {', '.join(pair.reasons)} (evidence {pair.evidence:.1f} bits)")
    for one in findings.known:
        if one.torch:
            say(console, f"{one.id} has the very bits of PyTorch's {one.torch}, and no formula of its own")
    for name in findings.unread:
        say(console, f"{name}: scheduler.py takes too long to read: look at it; only its schedule was compared")
    if findings.unread_given:
        say(
            console,
            f"{findings.unread_given} given file(s) take too long to read: what is from them counts as one's own",
        )
    for group in findings.equal:
        say(console, f"{', '.join(group)}: equal recipes")
    if findings.explained:
        say(console, f"{len(findings.explained)} more pair(s) are alike and cite the same source: see the report")
    count = len(findings.pairs)
    say(console, f"{count} pair(s) worth a look among {len(compared)} submissions: {out / 'report.html'}")


def _candidate(submission: Submission, origin: Origin, folder: str, compiling: Compiling) -> Candidate:
    """The submission's code, sources and recipe, or what could be played of a rejected one.

    Compilations are those of `grader run`, kept and taken over.
    """
    compiled = compiling.cache.compile(submission, compiling.sandbox)
    recipe, played, stopped = compiled.recipe or compiled.draft, None, False
    if recipe is None and (seen := observe(submission, compiling.sandbox, compiling.task, compiling.facts)) is not None:
        played, stopped = seen.lr, seen.stopped is not None
    manifest = compiled.manifest
    attribution = submission.files.get("ATTRIBUTION.md", b"").decode("utf-8", "replace")
    sources = manifest.sources if manifest else ()
    if own := " ".join(" ".join(own_lines(attribution)).split()):
        sources = (*sources, clean(own)[:500])
    return Candidate(
        id=submission.id,
        origin=origin,
        code=submission.files.get("scheduler.py", b"").decode("utf-8", "replace"),
        sources=sources,
        recipe=recipe,
        played=played,
        stopped=stopped,
        folder=folder,
        config=submission.files.get("config.py", b"").decode("utf-8", "replace"),
        base_rate=compiled.base_rates[0] if compiled.base_rates else None,
    )


def page(findings: Findings, title: str, compared: Sequence[Candidate]) -> str:
    """The report as HTML; all of it is escaped, and no script runs."""
    template = environment(Path(__file__).parent / "templates").get_template("similarity.html")
    return str(
        template.render(
            title=title,
            found=findings,
            compared=len(compared),
            former=sum(c.origin is Origin.FORMER for c in compared),
            same_behaviour=similarity.SAME_BEHAVIOUR,
            same_code=similarity.SAME_CODE,
            nearly_same_code=similarity.NEARLY_SAME_CODE,
            rates=_RATES,
            marked=marked,
        )
    )


def marked(code: str, places: Sequence[tuple[int, int]]) -> Markup:
    """The code with the given places (start, end) marked."""
    parts, at = [], 0
    for start, end in sorted(places):
        start = max(start, at)
        if end > start:
            parts += [
                escape(_plain(code[at:start])),
                Markup("<mark>"),
                escape(_plain(code[start:end])),
                Markup("</mark>"),
            ]
            at = end
    return Markup("").join([*parts, escape(_plain(code[at:]))])


def _plain(code: str) -> str:
    """Without marks that turn the reading direction, and other things that do not show."""
    return "".join(c if c in "\n\t" else clean(c) for c in code)
