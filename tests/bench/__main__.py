"""`make bench`: all benchmarks, one after the other; fails if one misses its target."""

import subprocess
import sys

BENCHMARKS = (
    "tests.bench.selector",
    "tests.bench.capture",
    "tests.bench.agent",
    "tests.bench.manifests",
    "tests.bench.api",
)


def main() -> int:
    """Run all, also after one that missed its target."""
    missed = []
    for name in BENCHMARKS:
        print(f"== python -m {name}", flush=True)
        if subprocess.run([sys.executable, "-m", name], check=False).returncode:
            missed.append(name)
    print(f"== a target is missed by {', '.join(missed)}" if missed else "== all targets are met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
