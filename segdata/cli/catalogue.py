"""`segdata rules`, `segdata explain` and `segdata formats`: the rules and the formats."""

from pathlib import Path

import click

from segdata.cli.options import FORMAT, RULE, example, report_options


@click.command(name="rules", epilog=example("segdata rules", "segdata rules --format json"))
@report_options("text", "json")
def rules_command(report: str, output: Path | None) -> None:
    """List all rules with code, severity and summary."""
    from segdata.cli.output import emit, make_console
    from segdata.core.rule import rules
    from segdata.report.reference_pages import rules_json, rules_text

    known = list(rules().values())
    emit(rules_json(known) if report == "json" else rules_text(known, make_console(output)), output)


@click.command(name="explain", epilog=example("segdata explain speck", "segdata explain SEG1"))
@click.argument("code", metavar="CODE", type=RULE)
def explain_command(code: str) -> None:
    """Explain a rule: what it flags, why, and how to fix it.

    CODE is the code or name of the rule. The beginning of codes, such as SEG1,
    lists the rules of the group.
    """
    from segdata.cli.output import emit, make_console
    from segdata.core.rule import find_rule
    from segdata.report.reference_pages import rule_group_text, rule_text

    emit(rule_group_text(code, make_console()) or rule_text(find_rule(code), make_console()))


@click.command(name="formats", epilog=example("segdata formats", "segdata formats coco-instances"))
@click.argument("name", required=False, type=FORMAT)
@report_options("text", "json")
def formats_command(name: str | None, report: str, output: Path | None) -> None:
    """List all formats, or describe one of them with its options."""
    from segdata.cli.output import emit, make_console
    from segdata.core.format import find_format, formats
    from segdata.report.reference_pages import format_text, formats_json, formats_text

    shown = list(formats().values()) if name is None else [find_format(name)]
    if report == "json":
        emit(formats_json(shown), output)
    else:
        emit(
            formats_text(shown, make_console(output)) if name is None else format_text(shown[0], make_console(output)),
            output,
        )
