from datetime import timedelta

import pytest

from apiserver.resource.types import NO_LIMITS, Limits
from nodeagent.capture.rotation import Rotation
from nodeagent.capture.segments import SegmentRules, Segments, segments_of

RULES = SegmentRules()
GIB = 1 << 30


def test_what_a_capture_does_not_say_is_as_felix_is_told():
    assert segments_of(NO_LIMITS, RULES) == Segments(Rotation(10_000_000, 3600), 2)
    assert segments_of(NO_LIMITS, SegmentRules(5000, 60, 7)) == Segments(Rotation(5000, 60), 7)


@pytest.mark.parametrize(
    ("limits", "segments"),
    [
        pytest.param(
            Limits(file_size=50_000_000), Segments(Rotation(50_000_000, 3600), 2), id="fileSize"
        ),
        pytest.param(
            Limits(rotate_every=timedelta(seconds=1.5)),
            Segments(Rotation(10_000_000, 1.5), 2),
            id="rotateEvery",
        ),
        pytest.param(Limits(files=9), Segments(Rotation(10_000_000, 3600), 9), id="files"),
        pytest.param(
            Limits(packets=3, bytes=4, files=100, file_size=GIB),
            Segments(Rotation(GIB, 3600), 100),
            id="up to the maxima",
        ),
    ],
)
def test_a_capture_gets_what_it_says(limits, segments):
    assert segments_of(limits, RULES) == segments


@pytest.mark.parametrize(
    ("limits", "rules", "segments"),
    [
        pytest.param(
            Limits(file_size=GIB + 1),
            RULES,
            Segments(Rotation(GIB, 3600), 2, "fileSize is 1Gi, the most on this node"),
            id="fileSize",
        ),
        pytest.param(
            Limits(files=1000, file_size=2 * GIB),
            RULES,
            Segments(
                Rotation(GIB, 3600),
                100,
                "fileSize is 1Gi, the most on this node; files is 100, the most on this node",
            ),
            id="both",
        ),
        pytest.param(
            Limits(files=8, file_size=60_000_000),
            SegmentRules(50_000_000, 3600, 7, max_size=1 << 20, max_files=3),
            Segments(
                Rotation(50_000_000, 3600),
                7,
                "fileSize is 50M, the most on this node; files is 7, the most on this node",
            ),
            id="Felix is told more than the maxima",
        ),
    ],
)
def test_beyond_the_maxima_it_is_clamped_and_told(limits, rules, segments):
    assert segments_of(limits, rules) == segments
