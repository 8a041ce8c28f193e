"""Review: buttons in FiftyOne's App that write a reviewer's decisions onto labels, for `segdata review pull`.

The plugin runs in the server of the App and needs only FiftyOne. Buttons decide on the selected labels; without a
selection, on the only undecided finding of the open image. `decide` in the grid decides on the undecided findings of
the chosen images, or of the whole view.

In a view of patches, such as "one by one", each picture is one finding; decisions go to the image that it is cut from.
"""

import getpass
import os
import sys
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import fiftyone.operators as foo
from fiftyone import ViewField
from fiftyone.operators import types

VERDICTS = {
    "accept": "the finding is right: apply its proposal",
    "reject": "false alarm: the label is right",
    "fix": "the finding is right: redraw the label by hand",
    "void": "ignore these pixels in training",
    "unsure": "leave the decision to someone else",
}
ICONS = {"accept": "check_circle", "reject": "cancel", "fix": "draw", "void": "block", "unsure": "help"}
LISTS = {"findings": "detections", "segments": "detections", "proposals": "detections", "outlines": "polylines"}
CROWDED = 30  # labels of a field in an image, above which their names cover it
Label = tuple[str, str, str]  # field, id of the sample, id of the label


class Verdict(foo.Operator):  # type: ignore[misc]  # FiftyOne has no types
    """Decides on the selection, and goes on to the next finding."""

    verdict = ""

    @property
    def config(self) -> Any:  # Any: FiftyOne has no types, here and below
        """How the App shows it."""
        label = f"segdata: {self.verdict}"
        return foo.OperatorConfig(
            self.verdict, label=label, description=VERDICTS[self.verdict], icon=ICONS[self.verdict], dynamic=True
        )

    def resolve_placement(self, ctx: Any) -> Any:
        """A button beside the open picture."""
        label = f"{self.verdict}: {VERDICTS[self.verdict]} (key {self.verdict[0]})"
        return _button(ctx, types.Places.SAMPLES_VIEWER_ACTIONS, label, ICONS[self.verdict])

    def resolve_input(self, ctx: Any) -> Any:
        """The selection and a comment, if called from the list of operators."""
        return _form(_selected_labels(ctx), types.Object(), self.verdict)

    def execute(self, ctx: Any) -> None:
        """Write it onto the labels."""
        _decide(ctx, _selected_labels(ctx), self.verdict)


class Apply(foo.Operator):  # type: ignore[misc]  # FiftyOne has no types
    """Accepts proposals."""

    @property
    def config(self) -> Any:
        """How the App shows it."""
        return foo.OperatorConfig("apply", label="segdata: apply the proposal", icon="auto_fix_high")

    def resolve_placement(self, ctx: Any) -> Any:
        """A button beside the open picture."""
        return _button(ctx, types.Places.SAMPLES_VIEWER_ACTIONS, "apply the proposal (accept)", "auto_fix_high")

    def execute(self, ctx: Any) -> None:
        """Accept the findings with a proposal."""
        labels = [label for label in _selected_labels(ctx) if _value(ctx, label, "proposal")]
        if labels:
            _decide(ctx, labels, "accept")
        else:
            ctx.ops.notify("there is no proposal here; select a finding with a proposal", variant="warning")


class Decide(foo.Operator):  # type: ignore[misc]  # FiftyOne has no types
    """Decide on many findings: on the chosen images, else in the view."""

    @property
    def config(self) -> Any:
        """How the App shows it."""
        return foo.OperatorConfig("decide", label="segdata: decide on many", icon="fact_check", dynamic=True)

    def resolve_placement(self, ctx: Any) -> Any:
        """A button above the grid."""
        label = "decide on the chosen images, or on the whole view"
        return _button(ctx, types.Places.SAMPLES_GRID_ACTIONS, label, "fact_check", prompt=True)

    def resolve_input(self, ctx: Any) -> Any:
        """The verdict, the findings and a comment."""
        inputs = types.Object()
        choices = types.RadioGroup()
        for verdict, meaning in VERDICTS.items():
            choices.add_choice(verdict, label=f"{verdict}: {meaning}")
        inputs.enum("verdict", choices.values(), required=True, default="accept", label="verdict", view=choices)
        return _form(_undecided_labels(ctx, ctx.selected), inputs, "decide")

    def execute(self, ctx: Any) -> None:
        """Write it onto the labels."""
        _decide(ctx, _undecided_labels(ctx, ctx.selected), ctx.params["verdict"])


class Next(foo.Operator):  # type: ignore[misc]  # FiftyOne has no types
    """Goes to the next undecided finding."""

    @property
    def config(self) -> Any:
        """How the App shows it."""
        return foo.OperatorConfig("next", label="segdata: next undecided", icon="skip_next")

    def resolve_placement(self, ctx: Any) -> Any:
        """A button beside the open picture."""
        return _button(ctx, types.Places.SAMPLES_VIEWER_ACTIONS, "next undecided finding (key n)", "skip_next")

    def execute(self, ctx: Any) -> None:
        """Open its image, and select it."""
        _go_on(ctx, _undecided_labels(ctx))


class Open(foo.Operator):  # type: ignore[misc]  # FiftyOne has no types
    """Arranges the page of a dataset that is opened."""

    @property
    def config(self) -> Any:
        """How the App calls it."""
        return foo.OperatorConfig("open", label="segdata: open a dataset", unlisted=True, on_dataset_open=True)

    def execute(self, ctx: Any) -> None:
        """Tell the page which fields have so many labels in an image that their names would cover it."""
        fields = _kinds(ctx)
        if fields:
            crowded = [name for name in fields if name != "findings" and _most_labels(ctx, name) > CROWDED]
            ctx.trigger("@segdata/review/arrange", {"crowded": crowded})


def _most_labels(ctx: Any, name: str) -> int:
    """The labels of the image that has most of them in a field."""
    return int(ctx.dataset.bounds(ViewField(f"{name}.{LISTS[_kinds(ctx)[name]]}").length())[1] or 0)


def register(plugin: Any) -> None:
    """The entry point that FiftyOne calls."""
    open_no_stale_picture()
    for verdict in VERDICTS:
        plugin.register(type(verdict.title(), (Verdict,), {"verdict": verdict}))
    for operator in (Apply, Next, Decide, Open):
        plugin.register(operator)


def open_no_stale_picture() -> None:
    """Let a new page that names no picture open none, with nothing selected.

    FiftyOne's server opens what another page left open there, also in a view that lacks it: "sample not found". It has
    this plugin in its process; elsewhere nothing is changed.
    """
    name = "fiftyone.server.events.initialize"
    events: Any = sys.modules.get(name)  # Any: its function is replaced
    usual = getattr(events, "handle_sample_id", None)
    if usual is None or usual.__module__ != name:  # another version, or done
        return

    def handle_sample_id(state: Any, sample_id: str | None = None) -> Any:
        if sample_id is None:
            state.sample_id, state.selected_labels = None, []
        return usual(state, sample_id)

    events.handle_sample_id = handle_sample_id


def _button(ctx: Any, place: Any, label: str, icon: str, *, prompt: bool = False) -> Any:
    """A button; none for datasets that segdata did not make."""
    if not _kinds(ctx):
        return None
    return types.Placement(place, types.Button(label=label, icon=icon, prompt=prompt))


def _form(chosen: list[Label], inputs: Any, name: str) -> Any:
    scope = f"{len(chosen)} finding{'' if len(chosen) == 1 else 's'} or labels" if chosen else "nothing is selected"
    inputs.str("comment", required=False, label="comment", description="reason, optional")
    return types.Property(inputs, view=types.View(label=f"segdata: {name} ({scope})"))


def _kinds(ctx: Any) -> dict[str, str]:
    """Field -> kind of its labels, for labels that can be decided on."""
    info = {} if ctx.dataset is None else ctx.dataset.info
    fields = (info.get("segdata") or {}).get("fields") or ()
    return {row["name"]: row["kind"] for row in fields if row["kind"] in LISTS}


def _selected_labels(ctx: Any) -> list[Label]:
    """The labels to decide on."""
    kinds = _kinds(ctx)
    selected = [label for label in ctx.selected_labels or () if label["field"] in kinds]
    if selected:
        source = dict(zip(*ctx.view.values(["id", "sample_id"]), strict=True)) if _is_patches(ctx) else {}
        labels = [
            (label["field"], source.get(label["sample_id"], label["sample_id"]), label["label_id"])
            for label in selected
        ]
        return list(
            dict.fromkeys(_of_finding(ctx, label) if kinds[label[0]] == "proposals" else label for label in labels)
        )
    if _is_patches(ctx):
        on_sample = [label for label in _findings_of(ctx) if _patch_of(ctx, label) == ctx.current_sample]
    else:
        on_sample = [label for label in _undecided_labels(ctx) if label[1] == ctx.current_sample]
    return on_sample if len(on_sample) == 1 else []


def _is_patches(ctx: Any) -> bool:
    return bool(getattr(ctx.view, "_is_patches", False))


def _patch_of(ctx: Any, label: Label) -> str:
    """The picture that shows a finding: its image, or in a view of patches its patch."""
    if not _is_patches(ctx):
        return label[1]
    patches = dict(zip(*ctx.view.values(["findings.id", "id"]), strict=True))
    return str(patches.get(label[2], label[1]))


def _findings_of(ctx: Any) -> list[Label]:
    """The findings of a view of patches, in its order."""
    rows = zip(*ctx.view.values(["sample_id", "findings.id"]), strict=True)
    return [("findings", sample, id_) for sample, id_ in rows if id_ is not None]


def _of_finding(ctx: Any, label: Label) -> Label:
    """The finding that a proposal belongs to."""
    return "findings", label[1], str(_value(ctx, label, "finding"))


def _value(ctx: Any, label: Label, attribute: str) -> Any:
    field, sample, id_ = label
    path = f"{field}.{LISTS[_kinds(ctx)[field]]}"
    if ctx.dataset.get_field(f"{path}.{attribute}") is None:
        return None
    ids, values = ctx.dataset.select(sample).values([f"{path}.id", f"{path}.{attribute}"])
    return dict(zip(ids[0] or (), values[0] or (), strict=True)).get(id_)


def _undecided_labels(ctx: Any, samples: list[str] | None = None) -> list[Label]:
    """The undecided findings of the view, or of some of its images, in the order of the view."""
    if _is_patches(ctx):  # patches have the tags of the time at which they were cut
        findings = [label for label in _findings_of(ctx) if not samples or _patch_of(ctx, label) in samples]
        images = ctx.dataset.select(list({sample for _, sample, _ in findings}))
        of_images = zip(*images.values(["findings.detections.id", "findings.detections.tags"]), strict=True)
        tags = {id_: mine for ids, all_ in of_images for id_, mine in zip(ids or (), all_ or (), strict=True)}
        return [label for label in findings if not VERDICTS.keys() & set(tags.get(label[2]) or ())]
    view = ctx.view.select(samples, ordered=False) if samples else ctx.view
    rows = zip(*view.values(["id", "findings.detections.id", "findings.detections.tags"]), strict=True)
    return [
        ("findings", sample, id_)
        for sample, ids, tags in rows
        for id_, mine in zip(ids or (), tags or (), strict=True)
        if not VERDICTS.keys() & set(mine or ())
    ]


def _decide(ctx: Any, labels: list[Label], verdict: str) -> None:
    """Write a verdict onto labels, and go on."""
    if not labels:
        ctx.ops.notify("select a finding first: click on it, or on 'next undecided finding'", variant="warning")
        return
    left = [label for label in _undecided_labels(ctx) if label not in set(labels)] if ctx.current_sample else []
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    decision: dict[str, Any] = {"verdict": verdict, "reviewer": reviewer(), "decided": now}
    decision["comment"] = (ctx.params.get("comment") or "").strip() or None
    by_field: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_field[label[0]].append(label)
    for field, mine in by_field.items():
        _write(ctx.dataset, f"{field}.{LISTS[_kinds(ctx)[field]]}", mine, verdict, decision)
    ctx.ops.notify(f"{verdict}: {len(labels)}", variant="success")
    ctx.ops.reload_samples()
    if ctx.current_sample:
        _go_on(ctx, left)


def _write(dataset: Any, path: str, labels: list[Label], verdict: str, decision: dict[str, Any]) -> None:
    """Set the attributes of labels, and exchange the tag."""
    samples = list(dict.fromkeys(sample for _, sample, _ in labels))
    of_samples = zip(*dataset.select(samples).values([f"{path}.id", f"{path}.tags"]), strict=True)
    before = {id_: mine for ids, tags in of_samples for id_, mine in zip(ids or (), tags or (), strict=True)}
    tags = {id_: [tag for tag in before.get(id_) or () if tag.strip().lower() not in VERDICTS] for _, _, id_ in labels}
    for name, value in decision.items():
        rows = [{"sample_id": sample, "label_id": id_, "value": value} for _, sample, id_ in labels]
        dataset.set_label_values(f"{path}.{name}", rows)
    rows = [{"sample_id": sample, "label_id": id_, "value": [*tags[id_], verdict]} for _, sample, id_ in labels]
    dataset.set_label_values(f"{path}.tags", rows)


def _go_on(ctx: Any, left: list[Label]) -> None:
    """Select the next undecided finding, first those of the open image, and open its image, enlarged around it."""
    selected = [label["label_id"] for label in ctx.selected_labels or ()]
    shown = (
        {label: _patch_of(ctx, label) for label in left} if _is_patches(ctx) else {label: label[1] for label in left}
    )
    on_sample = [label for label in left if shown[label] == ctx.current_sample and label[2] not in selected]
    place = {id_: number for number, id_ in enumerate(ctx.view.values("id"))}
    current = place.get(ctx.current_sample, -1)
    later = sorted(left, key=lambda label: (place[shown[label]] - current - 1) % len(place))
    following = next(iter(on_sample or [label for label in later if label[2] not in selected]), None)
    if following is None:
        ctx.ops.clear_selected_labels()
        ctx.ops.notify("nothing is undecided in this view", variant="info")
        return
    field, _, id_ = following
    sample = shown[following]
    if sample != ctx.current_sample:
        ctx.ops.open_sample(id=sample)
    ctx.ops.set_selected_labels([{"label_id": id_, "sample_id": sample, "field": field}])
    message = _value(ctx, following, "message")
    if message:
        ctx.ops.notify(message, variant="info")
    if not _is_patches(ctx):  # these are enlarged already
        ctx.trigger("@segdata/review/zoom", {"opens": sample != ctx.current_sample})


def reviewer() -> str:
    """The reviewer: as given by `segdata browse --reviewer`, else the user name."""
    try:
        return os.environ.get("FIFTYONE_USER") or getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
