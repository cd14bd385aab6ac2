"""Caveats about plugins: code that trials used and this report cannot see."""

from scaling.report.analysis.analysis import Analysis
from scaling.report.caveats.caveat import caveat
from scaling.study.plugins import loaded, short
from scaling.wording import listing


@caveat(heading="Plugins are missing here")
def absent_plugins(analysis: Analysis) -> str | None:
    """Trials used a plugin that is not loaded here, or that has another digest here."""
    here = loaded()
    arms: dict[tuple[str, str], list[str]] = {}
    for record in analysis.records:
        for name, digest in (record.config.get("plugins") or {}).items():
            if here.get(name) != digest and record.arm not in arms.setdefault((name, digest), []):
                arms[name, digest].append(record.arm)
    if not arms:
        return None
    found = [
        f"{listing(of)} with `{name}` ({short(digest)}, "
        + (f"here {short(here[name])})" if name in here else "not loaded here)")
        for (name, digest), of in arms.items()
    ]
    return f"Trained with plugins that this report does not have: {'; '.join(found)}. Keep them to run the study again."
