"""`make bench`: all benchmarks, one after the other; fails if one misses its target."""

import subprocess
import sys

BENCHMARKS = (
    "tests.bench.selector",
    "tests.bench.capture",
    "tests.bench.agent",
    "tests.bench.api",
)


def main() -> int:
    """Run all, also after one that missed its target."""
    missed = 0
    for name in BENCHMARKS:
        print(f"== python -m {name}", flush=True)
        missed += subprocess.run([sys.executable, "-m", name], check=False).returncode != 0
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
