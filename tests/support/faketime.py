"""The time of day of a process, by libfaketime; what takes how long stays as it is."""

from pathlib import Path


class FakeTime:
    """What a clock is off by, which may be set while a process goes by it."""

    def __init__(self, root: Path) -> None:
        self._offset = root / "offset"
        self.set("+0")

    def set(self, offset: str) -> None:
        """Set the clock, as `+2h` or `-20d`."""
        draft = self._offset.with_suffix(".draft")
        draft.write_text(f"{offset}\n")
        draft.replace(self._offset)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process that goes by it."""
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
