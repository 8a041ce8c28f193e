"""CVAT's files: their labels, images, videos and jobs."""

import posixpath
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

import msgspec

from segdata.core.errors import SegdataError, UnreadableError, check_choice, count_noun, list_names
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import check_path_name, is_unsafe_path
from segdata.core.profile import ImageSequence
from segdata.core.taxonomy import Attribute, Category, Taxonomy, as_rgb
from segdata.formats.shared.file_names import apart_defects, divide_labels, walk_files
from segdata.formats.shared.image_index import INDEX_FILE, has_index, read_index
from segdata.formats.shared.per_image import ImageEntry, relative_path
from segdata.formats.shared.taxonomies import kind_from_name, resolve_names
from segdata.formats.shared.xml_files import XmlError, read_xml
from segdata.formats.tools.cvat import CVAT_HEAD
from segdata.formats.tools.cvat_shapes import (
    AREAS,
    MAX_ID,
    NO_AREA,
    CvatElement,
    CvatImage,
    CvatVideo,
    parse_digits,
    parse_points_leniently,
    read_image,
    read_videos,
)
from segdata.formats.tools.shapes import PolygonNotation, json_text
from segdata.formats.tools.source import (
    ListedImages,
    Tool,
    ToolSource,
    first_image,
    left_out_defects,
    outside_path_defect,
    read_head,
    repeated_image_defects,
)

# The types of labels whose shapes may have an area.
_WITH_AREA = frozenset({"", "any", "polygon", "mask", "rectangle", "ellipse"})
_CVAT = Tool("cvat", "coco", PolygonNotation(mend=parse_points_leniently))
_MAX_NAMED = 8  # labels in a message
_ANSWERS = ("yes", "no", "true", "false")


@dataclass(slots=True)
class _CvatLabels:
    """The labels of the files."""

    categories: dict[str, Category] = field(default_factory=dict)  # the labels of segments, in order, without ids
    types: dict[tuple[str, str], str] = field(default_factory=dict)  # (label, attribute) -> input_type
    listed: set[str] = field(default_factory=set)  # of shapes of any type

    def add(self, root: Element) -> None:
        for label in root.iterfind("./meta/*/labels/label"):
            name = label.findtext("name") or ""
            self.listed.add(name)
            attributes = list(label.iterfind("./attributes/attribute"))
            for attribute in attributes:
                self.types[name, attribute.findtext("name") or ""] = attribute.findtext("input_type") or "text"
            if (label.findtext("type") or "") in _WITH_AREA and label.find("parent") is None and name:
                self.categories.setdefault(name, _category(name, label, attributes))

    def taxonomy(self) -> Taxonomy:
        """The categories with ids from 1, in the order of the labels."""
        return Taxonomy(
            categories=tuple(
                msgspec.structs.replace(category, id=id_) for id_, category in enumerate(self.categories.values(), 1)
            )
        )


def _category(name: str, label: Element, attributes: Iterable[Element]) -> Category:
    """A label as a category, its attributes with the values to choose from."""
    declared = tuple(
        Attribute(name=attribute.findtext("name") or "", values=_choices(attribute))
        for attribute in attributes
        if attribute.findtext("name")
    )
    return Category(
        id=0, name=name, kind=kind_from_name(name), color=_color(label.findtext("color")), attributes=declared
    )


def _choices(attribute: Element) -> tuple[str, ...]:
    """The choices of an attribute, one per line; none if it is not a selection."""
    has_choices = attribute.findtext("input_type") in ("select", "radio")
    return tuple((attribute.findtext("values") or "").split("\n")) if has_choices else ()


def _color(text: str | None) -> str | None:
    try:
        return text if text and as_rgb(text) else None
    except SegdataError:
        return None


@dataclass(slots=True)
class _CvatDataset(ListedImages):
    """The images of all files, their labels and their videos."""

    labels: _CvatLabels = field(default_factory=_CvatLabels)
    names: set[str] = field(default_factory=set)  # the labels of shapes
    others: Counter[str] = field(default_factory=Counter)  # tag -> number of shapes without area
    other_names: set[str] = field(default_factory=set)  # their labels
    sequences: list[ImageSequence] = field(default_factory=list)
    repeated: dict[tuple[Path, Path], list[Defect]] = field(default_factory=dict)  # as for `repeated_image_defects`

    def add_names(self, shapes: Iterable[CvatElement]) -> None:
        """Add the labels of an image's shapes."""
        self.names.update(shape.label for shape in shapes if shape.label)

    def count_other(self, tag: str, label: str) -> None:
        """Count a shape without area."""
        self.others[tag] += 1
        self.other_names.add(label)

    def report_unlisted_labels(self) -> None:
        """Report the labels of shapes that the tasks do not list, if they list any."""
        unlisted = sorted(self.names - self.labels.listed)
        if self.labels.listed and unlisted:
            listed = list_names(sorted(self.labels.listed), _MAX_NAMED)
            message = (
                f"shapes have labels that the list of labels lacks: {list_names(unlisted, _MAX_NAMED)}; it has {listed}"
            )
            self.defects.append(Defect("SEG004", message, severity="warning"))

    def report_others(self) -> None:
        """Remove the labels of points and lines, which are no categories of segments, and report what is left out."""
        bare = [name for name in self.labels.categories if name in self.other_names - self.names]
        for name in bare:
            del self.labels.categories[name]
        labels = f"; labels of these alone: {list_names(bare, _MAX_NAMED)}" if bare else ""
        self.defects += [
            replace(defect, message=defect.message + labels)
            for defect in left_out_defects("shapes without area", self.others)
        ]


def open_cvat(request: ReadRequest) -> ToolSource:
    """Open the XML files at or below a path; raises UnreadableError if none is CVAT's."""
    answer = str(request.options.get("interpolate", "no")).lower()
    check_choice("interpolate", answer, _ANSWERS)
    documents = {relative_path(request.root, path): path for path in _find_documents(request.root)}
    own, apart = (list(documents), []) if request.explicit else divide_labels(documents)
    paths = [documents[name] for name in own]
    dataset = _CvatDataset.from_request(request)
    dataset.defects += apart_defects(apart)
    first_of: dict[bytes, Path] = {}
    for path in paths:
        first = first_of.setdefault(sha256(path.read_bytes()).digest(), path) if len(paths) > 1 else path
        if first == path:
            _add_file(dataset, path, interpolate=answer in ("yes", "true"))
        else:
            message = f"the same file as {relative_path(dataset.root, first)}, byte by byte; that one is read"
            dataset.defects.append(Defect("SEG008", message, relative_path(dataset.root, path), severity="warning"))
    dataset.report_unlisted_labels()
    dataset.defects += repeated_image_defects(dataset.root, dataset.repeated)
    dataset.report_others()
    dataset.report_missing()
    dataset.report_unlisted("CVAT")
    own_taxonomy = dataset.labels.taxonomy()
    categories = resolve_names(dataset.names | dataset.labels.categories.keys(), request.taxonomy, own_taxonomy)
    read = partial(read_image, dataset.labels.types)
    return ToolSource.from_request(
        request, _CVAT, categories, dataset.sorted_entries, dataset.defects, read, sequences=dataset.sequences
    )


def _find_documents(root: Path) -> list[Path]:
    if root.is_file():
        if zipfile.is_zipfile(root):
            raise UnreadableError(f"{root}: is a zip archive; unzip it and give the folder")
        return [root]
    documents, archive = [], None
    for _, path in walk_files(root):
        archive = path if path.suffix.lower() == ".zip" else archive
        if path.suffix.lower() == ".xml" and re.search(CVAT_HEAD, read_head(path)):
            check_path_name(path)
            documents.append(path)
    if not documents:
        hint = f"; unzip {archive.name}" if archive else ""
        raise UnreadableError(f"{root}: no CVAT file, which is XML that begins with annotations{hint}")
    return documents


@dataclass(frozen=True, slots=True)
class CvatJobs:
    """Task id -> jobs (first frame, last frame, id) of a file."""

    tasks: Mapping[str, Sequence[tuple[int, int, str]]]

    @staticmethod
    def from_document(document: Element) -> "CvatJobs":
        """The tasks in the head of a file; if a job was exported, only that job."""
        tasks: dict[str, list[tuple[int, int, str]]] = {}
        for task in [*document.iterfind("./meta/task"), *document.iterfind("./meta/project/tasks/task")]:
            jobs = tasks.setdefault((task.findtext("id") or "").strip(), [])
            for segment in task.iterfind("./segments/segment"):
                first, last = parse_digits(segment.findtext("start")), parse_digits(segment.findtext("stop"))
                number = re.search(r"(?:jobs/|id=)(\d+)/?$", (segment.findtext("url") or "").strip())
                id_ = number[1] if number else (segment.findtext("id") or "").strip()
                if first is not None and last is not None and id_:
                    jobs.append((first, last, id_))
        for job in document.iterfind("./meta/job"):
            id_ = (job.findtext("id") or "").strip()
            tasks.setdefault("", []).extend([(0, MAX_ID, id_)] if id_ else [])
        return CvatJobs(tasks)

    def metadata(self, task: str | None, frame: str | None) -> dict[str, str]:
        """The task and the job of a frame, if the file names them, as JSON texts."""
        id_ = task if task is not None or len(self.tasks) != 1 else next(iter(self.tasks))
        number = -1 if (digits := parse_digits(frame)) is None else digits
        job = next((job for first, last, job in self.tasks.get(id_ or "", ()) if first <= number <= last), None)
        return {key: json_text(value) for key, value in (("task", id_), ("job", job)) if value}


def _add_file(dataset: _CvatDataset, path: Path, *, interpolate: bool) -> None:
    """Add the labels, images and videos of a file to the dataset, or what is wrong with it."""
    file = relative_path(dataset.root, path)
    try:
        document = read_xml(path)
    except (XmlError, OSError) as error:
        line = error.line if isinstance(error, XmlError) else None
        dataset.defects.append(Defect("SEG001", f"the XML {error}", file, line=line))
        return
    if document.tag != "annotations":
        message = f"the root element is {document.tag!r:.40}, CVAT's is 'annotations'"
        dataset.defects.append(Defect("SEG004", message, file))
        return
    dataset.labels.add(document)
    content = _CvatFile(dataset, path, file, document, CvatJobs.from_document(document))
    content.add_images()
    content.add_videos(interpolate=interpolate)


@dataclass(frozen=True, slots=True)
class _CvatFile:
    """A file whose images and videos are added to the dataset."""

    dataset: _CvatDataset
    path: Path
    file: str  # its name in findings
    document: Element
    jobs: CvatJobs

    def add_images(self) -> None:
        """Add the images of the file, each with its shapes and tags."""
        for row, image in enumerate(self.document.iterfind("image"), 1):
            self._add_image(image, f"/annotations/image[{row}]")

    def add_videos(self, *, interpolate: bool) -> None:
        """Add the frames of the file's videos, each with the shapes of its tracks."""
        for track in self.document.iterfind("track"):
            for shape in track:
                if shape.tag in NO_AREA:
                    self.dataset.count_other(shape.tag, track.get("label", ""))
        problems: list[tuple[str, str]] = []
        videos = read_videos(self.document, problems, interpolate=interpolate)
        for video in videos:
            if len(videos) == 1 and _names_frames(self.path.parent):
                self._add_named_frames(video)
            else:
                self._add_frames(video)
        for message, place in problems:
            self._report("SEG004", message, place)

    def _report(self, code: str, message: str, place: str) -> None:
        self.dataset.defects.append(Defect(code, message, self.file, place))

    def _add_image(self, image: Element, place: str) -> None:
        dataset, name = self.dataset, image.get("name", "").replace("\\", "/")
        if not name:
            self._report("SEG004", "an image without name; left out", place)
            return
        if is_unsafe_path(name):
            dataset.defects.append(outside_path_defect(name, self.file, place))
            name = PurePosixPath(name).name or "image"
        split = image.get("subset") or None
        folder = dataset.id_folder(self.path)
        image_id = posixpath.join(folder, name)
        if image_id in dataset.entries and split:
            image_id = posixpath.join(folder, split, name)
        if image_id in dataset.entries:
            message = f"image {image_id!r} is listed twice; the first one is read"
            again = Defect("SEG008", message, self.file, place, image=image_id)
            dataset.repeated.setdefault((self.path, dataset.entries[image_id].files[0]), []).append(again)
            return
        record = CvatImage(tuple(self._shapes(image, place)), tuple(image.iterfind("tag")))
        dataset.add_names(record.shapes)
        dataset.entries[image_id] = ImageEntry(
            image_id,
            first_image(dataset.folders, [image_id, name, *([f"{split}/{name}"] if split else [])]),
            (self.path,),
            record,
            size=(parse_digits(image.get("height")) or 0, parse_digits(image.get("width")) or 0),
            source_id=image.get("id"),
            split=split,
            metadata=self.jobs.metadata(image.get("task_id"), image.get("id")),
        )

    def _shapes(self, image: Element, place: str) -> Iterator[CvatElement]:
        """The shapes with an area, each with its place."""
        count = Counter[str]()
        for shape in image:
            count[shape.tag] += 1
            label = shape.get("label", "")
            if shape.tag in AREAS:
                shape_place = f"{place}/{shape.tag}[{count[shape.tag]}]"
                yield CvatElement(shape, shape_place, label, shape.get("group_id"), shape.get("source"))
            elif shape.tag in NO_AREA:
                self.dataset.count_other(shape.tag, label)
            elif shape.tag != "tag":
                message = f"CVAT has no shape {shape.tag!r:.40}; left out"
                self.dataset.defects.append(Defect("SEG004", message, place=f"{place}/{shape.tag}"))

    def _add_frames(self, video: CvatVideo) -> None:
        """Add the frames of a video, named `frame_000000.png` and so on as in CVAT."""
        dataset, sequence = self.dataset, self._sequence_name(video)
        alone = posixpath.join(dataset.id_folder(self.path), "frame_")
        share_names = any(image_id.startswith(alone) for image_id in dataset.entries)
        prefix = f"{sequence}/frame_" if share_names else alone
        dataset.sequences.append(ImageSequence(sequence))
        annotated = video.annotated_frames
        for frame in sorted(video.frames):
            stems = [f"{prefix}{frame:06d}.png", f"frame_{frame:06d}.png"]
            names = [near for stem in stems for pictures in dataset.folders if (near := pictures.similar_name(stem))]
            image_file = first_image(dataset.folders, names)
            image_id = f"{prefix}{frame:06d}" + (image_file.suffix if image_file else ".png")
            shapes = tuple(video.shapes.get(frame, ()))
            dataset.add_names(shapes)
            is_annotated = frame in annotated
            dataset.entries[image_id] = ImageEntry(
                image_id,
                image_file,
                (self.path,) if is_annotated else (),
                CvatImage(shapes) if is_annotated else None,
                size=video.size,
                source_id=str(frame),
                sequence=sequence,
                frame=frame,
                split=video.split,
                metadata=self.jobs.metadata(None, str(frame)),
            )
        if video.unknown:
            n_frames = len(video.frames - annotated)
            message = (
                f"tracks have {count_noun(video.unknown, 'frame')} between keyframes without a shape "
                f"({count_noun(n_frames, 'frame')} without any annotation); "
                "--read-option interpolate=yes interpolates the shapes"
            )
            dataset.defects.append(Defect("SEG004", message, self.file, "/annotations/track", severity="warning"))

    def _sequence_name(self, video: CvatVideo) -> str:
        """The name of the task, or else of the file, below the file's folder; one that no other sequence has."""
        bare = video.name.replace("\\", "/").rpartition("/")[2]
        name = bare if bare not in ("", ".", "..") else self.path.stem
        sequence = posixpath.join(self.dataset.id_folder(self.path), name)
        while any(other.name == sequence for other in self.dataset.sequences):
            sequence += "_"
        return sequence

    def _add_named_frames(self, video: CvatVideo) -> None:
        """Add the frames that the lines of `images.csv` name, in the order of their numbers in the XML."""
        dataset = self.dataset
        entries, defects = read_index(self.path.parent, dataset.images or dataset.folder / "images")
        dataset.defects += defects
        beyond = sorted(frame for frame in video.frames if frame >= len(entries))
        if beyond:
            n = count_noun(len(entries), "image")
            message = f"frame {beyond[0]} and later ones are not in {INDEX_FILE}, which has {n}"
            self._report("SEG007", message, "/annotations/track")
        for number, entry in enumerate(entries):
            shapes = tuple(video.shapes.get(number, ()))
            dataset.add_names(shapes)
            if entry.sequence is not None and not any(known.name == entry.sequence for known in dataset.sequences):
                dataset.sequences.append(ImageSequence(entry.sequence))
            is_annotated = bool(entry.files or shapes)
            dataset.entries[entry.image_id] = replace(
                entry,
                image=entry.image or first_image(dataset.folders, [entry.image_id]),
                files=(self.path,) if is_annotated else (),
                record=CvatImage(shapes) if is_annotated else None,
                source_id=str(number),
            )


def _names_frames(folder: Path) -> bool:
    """Whether segdata wrote an `images.csv` in a folder."""
    return has_index(folder) and read_head(folder / INDEX_FILE).startswith(b"image,mask,width,height,uri,sequence,")
