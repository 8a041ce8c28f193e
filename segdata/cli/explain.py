"""`segdata explain`: the page of one rule."""

import click

from segdata.cli.options import example


@click.command(name="explain", epilog=example("segdata explain SEG106", "segdata explain speck"))
@click.argument("code", metavar="CODE")
def command(code: str) -> None:
    """What a rule flags, what not, why, and the remedy.

    CODE is the rule's code or name.
    """
    from segdata.cli.output import emit, paper
    from segdata.core.rule import find_rule
    from segdata.report.catalogue import page

    emit(page(find_rule(code), paper()))
