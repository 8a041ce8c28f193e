"""Say from a pilot whether a taxonomy is ready for the campaign."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Unpack

from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.api.result import Result, json_table, promote
from segdata.api.validate import measure_dataset
from segdata.campaign.readiness import PilotResult, assess_readiness
from segdata.core.rule import rules
from segdata.core.rule_settings import configured_options
from segdata.dataset import Dataset
from segdata.formats.shared.images import image_limits

if TYPE_CHECKING:
    import pandas as pd

    from segdata.campaign.pilot_agreement import PilotAgreement
    from segdata.core.config import Config
    from segdata.core.rule import Tables


class PilotOutcome(Result, PilotResult):
    """Whether a taxonomy is ready for the campaign, and what the campaign will hold."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata pilot --format json`` prints it."""
        from segdata.report.pilot import pilot_json

        return pilot_json(self)

    def table(self) -> "pd.DataFrame":
        """One row for each category as a pandas table: what the pilot has, and what the campaign will have."""
        return json_table(self.to_json(), "categories")


def pilot(
    data: Data,
    *,
    campaign: int | None = None,
    min_instances: int | None = None,
    minutes_per_image: float | None = None,
    minutes_per_segment: float | None = None,
    rate: float | None = None,
    ignore: str | Iterable[str] = (),
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> PilotOutcome:
    """Judge from this pilot whether a taxonomy is ready for the full campaign.

    Parameters
    ----------
    campaign : images in the campaign, those of the pilot among them; default: totals for 1000 images
    min_instances : segments wanted of each category; default: as rule SEG302 is configured
    minutes_per_image, minutes_per_segment : of work; default: as the annotations say (`seconds`)
    rate : the cost of an hour
    ignore : kinds of reasons that do not count
    jobs, progress : see `Dataset`

    The images must be a random sample of the campaign's. Returns what the campaign will hold, with ranges that
    are right in 19 of 20 campaigns, and the reasons not to begin yet; `ready` is true if nothing blocks.
    """
    from segdata.campaign.confusable_categories import confusable_pairs, mean_colours
    from segdata.campaign.projection import CampaignPlan, project_campaign

    dataset = read(data, **opening)
    wanted = _wanted_instances(dataset.config) if min_instances is None else min_instances
    plan = CampaignPlan(campaign, wanted, minutes_per_image, minutes_per_segment, rate)
    tables = measure_dataset(dataset, frozenset({"coverage", "pairs", "shapes"}), jobs, progress)
    outlook = project_campaign(tables, plan)
    with image_limits():
        colours = mean_colours(dataset, jobs)
    kinds = [ignore] if isinstance(ignore, str) else list(ignore)
    agreement = _agreement(dataset, tables, jobs)
    result = assess_readiness(dataset.profile, plan, outlook, confusable_pairs(tables, colours), kinds, agreement)
    return promote(PilotOutcome, result)


def _agreement(dataset: "Dataset", tables: "Tables", jobs: int) -> "PilotAgreement | None":
    """How well annotators agree, where an image has several."""
    from segdata.agreement.comparison import compare_panel
    from segdata.agreement.panel import PanelMember, build_panel
    from segdata.campaign.pilot_agreement import measure_pilot_agreement

    image = tables.annotations["image"]
    if len(set(image.tolist())) == len(image):
        return None
    with image_limits():
        opposed = compare_panel(build_panel([PanelMember(dataset)]), jobs=jobs).annotator_pairs
    return None if opposed is None else measure_pilot_agreement(opposed)


def _wanted_instances(config: "Config") -> int:
    """How many segments of a category the rule too-few wants."""
    few = rules()["SEG302"]
    wanted: int = configured_options(config).get(few.code, few.options).get("min_segments", few.options["min_segments"])
    return wanted
