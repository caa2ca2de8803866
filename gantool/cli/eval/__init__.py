"""`gantool eval`: how good a generator is. One file a measure."""

from __future__ import annotations

import typer

from gantool.cli.eval import augmentation, bayes, diversity, features, labels, parzen

app = typer.Typer(
    no_args_is_help=True,
    help="Measure a generator, or samples from anywhere.\n\nExample: gantool eval parzen",
)


@app.callback()
def about() -> None:
    """Measure a generator, or samples from anywhere.

    Example: gantool eval parzen
    """


app.command("parzen")(parzen.parzen)
app.command("features")(features.features)
app.command("diversity")(diversity.diversity)
app.command("labels")(labels.labels)
app.command("bayes")(bayes.bayes)
app.command("augmentation")(augmentation.augmentation)
