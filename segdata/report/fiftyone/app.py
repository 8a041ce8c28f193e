"""App: FiftyOne with its database and the segdata plugin, its App on this machine, and what it shows first."""

import logging
import os
import socket
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partialmethod
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

from segdata.core.atomic_files import write_whole
from segdata.core.errors import SegdataError, count_noun, import_extra
from segdata.core.finding import SEVERITIES, VERDICTS, Action, Finding
from segdata.core.profile import Profile
from segdata.report.fiftyone.media_files import MapValues
from segdata.report.fiftyone.samples import SampleLoader
from segdata.report.fiftyone.segment_labels import FINDINGS, HEAT, PROPOSALS
from segdata.report.pictures.colors import SEVERITY_COLORS, category_colors, css_color

WORST = "worst first"
UNDECIDED = "undecided"
ONE_BY_ONE = "one by one"
_PROPOSED = "#00e5ff"
_SCALES = {  # doubtful pixels are bright, sure ones nearly invisible
    "confidence": [{"value": 0, "color": "rgb(255, 60, 0)"}, {"value": 0.5, "color": "rgb(255, 220, 0)"},
                   {"value": 1, "color": "rgb(0, 60, 90)"}],
    "disagreement": [{"value": 0, "color": "rgb(0, 60, 90)"}, {"value": 0.5, "color": "rgb(255, 220, 0)"},
                     {"value": 1, "color": "rgb(255, 60, 0)"}],
}  # fmt: skip
_WORST_FIRST = [("errors", -1), ("warnings", -1), ("infos", -1)]


def set_appearance(loader: SampleLoader, profile: Profile, targets: MapValues, findings: Sequence[Finding]) -> None:
    """Set views, sidebar and colours of a dataset; outdated views are removed."""
    dataset = loader.dataset
    maps = [name for name, (kind, _) in loader.fields.items() if kind == "map"]
    dataset.mask_targets = {
        name: {value: profile.name_of(id_) for id_, value in targets.value.items()} for name in maps
    }
    config = dataset.app_config
    config.sidebar_groups = _sidebar(loader)
    shown = [name for name, (kind, _) in loader.fields.items() if kind not in ("outlines", *HEAT)]
    config.active_fields = loader.fo.ActiveFields(exclude=False, paths=["worst", "codes", *sorted(shown)])
    config.color_scheme = _colours(loader, profile, targets, findings)
    dataset.save()
    _save_views(loader, findings)


def _save_views(loader: SampleLoader, findings: Sequence[Finding]) -> None:
    views = _views(loader, findings)
    for name in loader.load_stored("views") or ():
        if name not in views and loader.dataset.has_saved_view(name):
            loader.dataset.delete_saved_view(name)
    for name, (view, description, colour) in views.items():
        loader.dataset.save_view(name, view, description=description, color=colour, overwrite=True)
    loader.store(views=list(views))


def _views(loader: SampleLoader, findings: Sequence[Finding]) -> dict[str, tuple[Any, str, str | None]]:
    """Views by name: the view, its description, and its colour. Any: FiftyOne has no types."""
    dataset, field = loader.dataset, loader.fo.ViewField
    views: dict[str, tuple[Any, str, str | None]] = {}
    if findings:
        worst = dataset.match(field("codes").length() > 0).sort_by(_WORST_FIRST)
        if len(worst):
            views[WORST] = (worst, "images with undecided findings, most errors first", None)
        decided = field("tags").contains(list(VERDICTS))
        alone = (
            dataset.filter_labels(FINDINGS, ~decided).to_patches(FINDINGS).sort_by(f"{FINDINGS}.score", reverse=True)
        )
        views[ONE_BY_ONE] = (alone, "undecided findings, each enlarged and without other labels", None)
        for name, in_view in {UNDECIDED: ~decided, "decided": decided}.items():
            view = dataset.filter_labels(FINDINGS, in_view).sort_by(_WORST_FIRST)
            views[name] = (view, f"findings that are {name}", None)
    by_severity = Counter(finding.severity for finding in findings)
    for severity in SEVERITIES:
        if by_severity[severity]:
            view = dataset.filter_labels(FINDINGS, field("severity") == severity).sort_by(_WORST_FIRST)
            views[f"{severity}s"] = (
                view,
                count_noun(by_severity[severity], severity),
                css_color(SEVERITY_COLORS[severity]),
            )
    for (code, rule), count in sorted(Counter((finding.code, finding.rule) for finding in findings).items()):
        view = dataset.filter_labels(FINDINGS, field("code") == code).sort_by(_WORST_FIRST)
        views[f"{code} {rule}"] = (view, count_noun(count, "finding"), None)
    return views | _views_of_people(loader) | _sequences(loader)


def _views_of_people(loader: SampleLoader) -> dict[str, tuple[Any, str, str | None]]:
    """A view for each annotator, without the others' labels. Any: FiftyOne has no types."""
    expression = loader.fo.ViewField
    by_annotator: dict[str, list[str]] = {}
    for name, (_, annotator) in loader.fields.items():
        if annotator is not None:
            by_annotator.setdefault(annotator, []).append(name)
    views: dict[str, tuple[Any, str, str | None]] = {}
    for annotator, names in sorted(by_annotator.items()):
        others = [field for other, fields in by_annotator.items() if other != annotator for field in fields]
        has_labels = expression(names[0]).exists()
        for name in names[1:]:
            has_labels |= expression(name).exists()
        view = loader.dataset.match(has_labels).exclude_fields(others)
        views[f"annotator {annotator}"] = (view, f"labels of {annotator} only", None)
    return views


def _sequences(loader: SampleLoader) -> dict[str, tuple[Any, str, str | None]]:
    """A view with one tile for each video or volume. Any: FiftyOne has no types."""
    inside = loader.dataset.exists("sequence")
    if not len(inside):
        return {}
    view = inside.group_by("sequence", order_by="frame")
    return {"sequences": (view, "videos and volumes, their frames in order", None)}


def _sidebar(loader: SampleLoader) -> list[Any]:  # Any: FiftyOne has no types
    group = loader.fo.SidebarGroupDocument
    first = [name for name in (FINDINGS, PROPOSALS) if name in loader.fields]
    labels = [name for name in loader.fields if name not in first]
    return [
        group(name="findings", paths=[*first, "worst", "codes", "errors", "warnings", "infos"], expanded=True),
        group(name="labels", paths=sorted(labels), expanded=True),
        group(name="tags", paths=["tags", "_label_tags"], expanded=True),
        group(name="image", paths=["image_id", "split", "group", "sequence", "frame", "camera", "timestamp", "picture"],
              expanded=False),
        group(name="metadata", paths=["id", "filepath", "metadata.width", "metadata.height"], expanded=False),
        group(name="other", paths=["created_at", "last_modified_at", "put_in", "logged"], expanded=False),
    ]  # fmt: skip


def _colours(
    loader: SampleLoader, profile: Profile, targets: MapValues, findings: Sequence[Finding]
) -> Any:  # Any: FiftyOne has no types
    colours = category_colors(profile.taxonomy)
    named = [{"value": profile.name_of(id_), "color": css_color(color)} for id_, color in colours.items()]
    on_map = [{"intTarget": targets.value[id_], "color": css_color(color)} for id_, color in colours.items()]
    worst = {finding.code: finding.severity for finding in sorted(findings, key=Finding.order, reverse=True)}
    codes = [{"value": code, "color": css_color(SEVERITY_COLORS[severity])} for code, severity in sorted(worst.items())]
    severities = [{"value": severity, "color": css_color(color)} for severity, color in SEVERITY_COLORS.items()]
    fields: list[dict[str, Any]] = [
        {"path": FINDINGS, "fieldColor": css_color(SEVERITY_COLORS["error"]), "colorByAttribute": "severity",
         "valueColors": severities},
        {"path": "worst", "valueColors": severities},
        {"path": "codes", "valueColors": codes},
    ]  # fmt: skip
    for name, (kind, _) in loader.fields.items():
        if kind == "map":
            fields.append({"path": name, "maskTargetsColors": on_map})
        elif name == PROPOSALS:
            actions = [{"value": action, "color": _PROPOSED} for action in get_args(Action)]
            own_colours = {"fieldColor": _PROPOSED, "colorByAttribute": "action", "valueColors": actions}
            fields.append({"path": name, **own_colours})
        elif name != FINDINGS and kind not in HEAT:
            fields.append({"path": name, "colorByAttribute": "label", "valueColors": named})
    return loader.fo.ColorScheme(
        color_by="value",
        opacity=0.5,
        fields=fields,
        colorscales=[
            {"path": name, "list": _SCALES[kind]} for name, (kind, _) in loader.fields.items() if kind in HEAT
        ],
        label_tags={"fieldColor": "#888888", "valueColors": severities + codes},
    )


ADDRESS = "127.0.0.1"  # never reachable from other machines
PORT = 5151
_START_SECONDS = 180  # to wait for the App; an idle machine needs about ten


@dataclass(frozen=True, slots=True)
class App:
    """The running App, at an address of this machine."""

    address: str
    _server: Any = field(repr=False)  # Any: FiftyOne has no types

    def wait(self) -> None:
        """Wait until interrupted; raises SegdataError if the App stops before."""
        self._server.wait()
        raise SegdataError("the App has stopped; all decisions are kept, start it again")


@contextmanager
def run_app(fo: Any, dataset: Any, port: int = PORT) -> Iterator[App]:  # Any: FiftyOne has no types
    """Run the App with a dataset, worst images first, while the block runs.

    Only its server is started: a session in this process would reset the page whenever it reconnects. Raises
    SegdataError if the port is taken, or the App does not start within three minutes.
    """
    if _answers(port):
        raise SegdataError(f"port {port} is taken, perhaps by another App; --port {port + 1} uses another")
    logging.getLogger("fiftyone").setLevel(logging.ERROR)
    service = fo.core.service.ServerService
    wait = service._wait_for_child_port
    # Its own limit is a minute, and leaves the server running.
    service._wait_for_child_port = partialmethod(wait, timeout=_START_SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # see import_fiftyone
            server = service(port, address=ADDRESS, do_not_track=True)
    except Exception as error:  # FiftyOne and its libraries raise many classes
        raise SegdataError(f"the App does not start: {error}; if the machine is busy, try again") from error
    finally:
        service._wait_for_child_port = wait
    view = f"?view={WORST.replace(' ', '-')}" if dataset.has_saved_view(WORST) else ""
    try:
        yield App(f"http://{ADDRESS}:{port}/datasets/{quote(dataset.name, safe='')}{view}", server)
    finally:
        server.stop()


def _answers(port: int) -> bool:
    """Whether something listens on a port; FiftyOne would show that instead."""
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex((ADDRESS, port)) == 0


_DATABASE = (
    "install its database (pip install 'segdata[fiftyone]'; on some systems pip install fiftyone-db), or start a "
    "mongod and name it: FIFTYONE_DATABASE_URI=mongodb://127.0.0.1:27017"
)


def import_fiftyone() -> Any:  # Any: FiftyOne has no types
    """Import FiftyOne, connected to the database that FIFTYONE_DATABASE_URI names, else to its own.

    Usage reports are off. Raises SegdataError that names what is missing and how to install it.
    """
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "1"
    os.environ.setdefault("FIFTYONE_DATABASE_VALIDATION", "false")  # otherwise it warns about databases that work
    os.environ.setdefault("FIFTYONE_SHOW_PROGRESS_BARS", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its dependencies are older than Python
        package = import_extra("fiftyone", "fiftyone", "FiftyOne")
        try:
            package.list_datasets()  # the first query connects
        except Exception as error:  # pymongo, mongoengine and FiftyOne raise many classes
            raise _unreachable(error) from error
    return package


@contextmanager
def database_errors() -> Iterator[None]:
    """Raise SegdataError if the database stops while the block, or the decorated function, runs."""
    try:
        yield
    except Exception as error:  # pymongo is installed only with FiftyOne
        if not type(error).__module__.startswith("pymongo."):
            raise
        remedy = "run the command again to continue"
        raise SegdataError(f"the database of FiftyOne has stopped: {_error_text(error)}; {remedy}") from error


def _error_text(error: Exception) -> str:
    return (
        str(error).split(", Timeout:")[0].split(" (configured timeouts")[0].strip().rstrip(".") or type(error).__name__
    )


def _unreachable(error: Exception) -> SegdataError:
    problem = _error_text(error)
    address = os.environ.get("FIFTYONE_DATABASE_URI")
    if address is not None:
        return SegdataError(
            f"no database of FiftyOne at {address}: {problem}; start a mongod there, or unset the variable"
        )
    return SegdataError(f"the database of FiftyOne does not start: {problem}; {_DATABASE}")


PLUGIN_NAME = "@segdata/review"
_FOLDER = "segdata-review"
_SOURCE = Path(__file__).parent / "plugin"
_FILES = ("fiftyone.yml", "__init__.py", "keys.js")


def install_plugin(fo: Any) -> Path:  # Any: FiftyOne has no types
    """Copy the plugin into FiftyOne's plugin folder, or update it.

    Returns its folder. A disabled plugin stays disabled. Raises SegdataError if the folder cannot be written, or holds
    something else.
    """
    folder = Path(fo.config.plugins_dir) / _FOLDER
    manifest = folder / "fiftyone.yml"
    try:
        if folder.exists() and PLUGIN_NAME not in (manifest.read_text("utf-8") if manifest.is_file() else ""):
            raise SegdataError(
                f"{folder}: was not made by segdata; move it away, so that segdata can install its buttons"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            content, target = (_SOURCE / name).read_bytes(), folder / name
            if not target.is_file() or target.read_bytes() != content:
                write_whole(target, content)
    except OSError as error:
        problem = f"{folder}: cannot be written: {error.strerror}"
        raise SegdataError(f"{problem}; FIFTYONE_PLUGINS_DIR names another folder for FiftyOne's plugins") from error
    return folder
