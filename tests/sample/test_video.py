from segdata.sample.taxonomy import BUS, CAR, PERSON
from segdata.sample.video import BUS_TRACK, CAR_TRACK, WALKER_TRACK, film


def test_tracks_keep_their_category_leave_and_return() -> None:
    frames = film(seed=0, size=(240, 180))
    assert [frame.name for frame in frames][:2] == ["street/000000", "street/000001"]
    seen: dict[int, list[bool]] = {}
    for track, category in ((CAR_TRACK, CAR), (BUS_TRACK, BUS), (WALKER_TRACK, PERSON)):
        there = [[s for s in frame.picture.segments if s.track == track] for frame in frames]
        assert {segment.category for segments in there for segment in segments} == {category}
        seen[track] = [bool(segments) for segments in there]
    assert all(seen[BUS_TRACK])
    for track in (CAR_TRACK, WALKER_TRACK):
        assert seen[track][0]
        assert seen[track][-1]
        assert not all(seen[track])
