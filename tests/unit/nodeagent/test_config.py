from pathlib import Path

import pytest

from apiserver.serving.tls import TLSFiles
from nodeagent.bounds import Bounds
from nodeagent.capture.segments import SegmentRules
from nodeagent.config import ConfigError, InCluster, Output, Standalone, parse_config
from nodeagent.discovery.pods import TapSide
from nodeagent.files.pressure import DiskBudget

ALONE = [
    "--node-name=n1",
    "--kubeconfig=k",
    "--workloads=w",
    "--tls-cert-file=c",
    "--tls-private-key-file=k",
    "--client-ca-file=a",
]
POD = {"NODE_NAME": "n1", "POD_NAMESPACE": "packetcapture"}


def problems_of(arguments, environment=POD):
    with pytest.raises(ConfigError) as raised:
        parse_config(arguments, environment)
    return list(raised.value.problems)


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        pytest.param([], {}, "/var/log/calico/pcap", id="Felix's default"),
        pytest.param([], {"FELIX_CaptureDir": "/data"}, "/data", id="Felix's variable"),
        pytest.param([], {"felix_capturedir": "/data"}, "/data", id="in any case"),
        pytest.param(
            ["--capture-dir=/x"], {"FELIX_CaptureDir": "/data"}, "/x", id="the flag wins"
        ),
    ],
)
def test_the_capture_directory_is_felixs_if_nothing_else_is_said(arguments, environment, expected):
    assert parse_config([*ALONE, *arguments], environment).capture_dir == Path(expected)


def test_in_a_pod_the_environment_says_enough():
    config = parse_config([], POD)

    assert config.node_name == "n1"
    assert config.mode == InCluster(
        kubeconfig=None,
        namespace="packetcapture",
        cgroup_root=Path("/sys/fs/cgroup"),
        tap=TapSide.HOST,
        interface_prefix="cali",
    )
    assert (config.healthz_bind_address, config.healthz_port) == ("127.0.0.1", 0)


def test_flags_win_over_the_environment():
    flags = ["--node-name=n2", "--namespace=other", "--kubeconfig=k", "--cgroup-root=/c"]
    config = parse_config([*flags, "--tap=pod"], POD)

    assert config.node_name == "n2"
    assert config.mode == InCluster(Path("k"), "other", Path("/c"), TapSide.POD, "cali")


def test_calicos_interfaces_begin_as_felix_is_told():
    config = parse_config([], {**POD, "FELIX_InterfacePrefix": "eni"})

    assert isinstance(config.mode, InCluster)
    assert config.mode.interface_prefix == "eni"


def test_with_a_workload_file_it_is_standalone():
    config = parse_config(ALONE, {})

    assert config.mode == Standalone(
        Path("k"), Path("w"), TLSFiles(Path("c"), Path("k")), Path("a")
    )


def test_a_pods_environment_is_no_hindrance_to_standalone():
    assert parse_config(ALONE, POD) == parse_config(ALONE, {})


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        pytest.param(
            [],
            {},
            [
                "--node-name, or the environment variable NODE_NAME, is needed",
                "--namespace, or the environment variable POD_NAMESPACE, is needed",
            ],
            id="nothing at all",
        ),
        pytest.param(
            ["--workloads=w", "--client-ca-file=a"],
            POD,
            [
                "--workloads needs --kubeconfig",
                "--workloads needs --tls-cert-file",
                "--workloads needs --tls-private-key-file",
            ],
            id="a part of standalone",
        ),
        pytest.param(
            [*ALONE, "--namespace=x", "--cgroup-root=/c", "--tap=host"],
            {},
            [
                "--namespace does not go with --workloads: it is for a cluster",
                "--cgroup-root does not go with --workloads: it is for a cluster",
                "--tap does not go with --workloads: it is for a cluster",
            ],
            id="standalone with flags for a cluster",
        ),
        pytest.param(
            ["--tls-cert-file=c", "--client-ca-file=a"],
            POD,
            [
                "--tls-cert-file works with --workloads only: in a cluster it comes from the API",
                "--client-ca-file works with --workloads only: in a cluster it comes from the API",
            ],
            id="a cluster with flags for standalone",
        ),
        pytest.param(
            ["--secure-port=70000", "--healthz-port=-1"],
            POD,
            [
                "--secure-port must be a number from 0 to 65535",
                "--healthz-port must be a number from 0 to 65535",
            ],
            id="ports that are none",
        ),
        pytest.param(
            ["--secure-port=10349", "--healthz-port=10349"],
            POD,
            ["--secure-port and --healthz-port must not be the same"],
            id="one port for both",
        ),
        pytest.param(
            ["--bind-address=$(NODE_IP)", "--healthz-bind-address=localhost"],
            POD,
            [
                "--bind-address=$(NODE_IP): must be an IP address",
                "--healthz-bind-address=localhost: must be an IP address",
            ],
            id="names for addresses",
        ),
        pytest.param(
            ["--capture-dir="],
            POD,
            ["--capture-dir must not be empty"],
            id="a directory of no name",
        ),
    ],
)
def test_all_that_cannot_work_is_said_at_once(arguments, environment, expected):
    assert problems_of(arguments, environment) == expected


def test_any_free_port_may_be_taken_without_probes():
    assert parse_config(["--secure-port=0"], POD).secure_port == 0


def test_a_capture_has_so_many_endpoints_here_and_any_number_with_0():
    assert parse_config([], POD).max_endpoints == 500
    assert parse_config(["--max-endpoints-per-capture=0"], POD).max_endpoints == 0
    assert problems_of(["--max-endpoints-per-capture=-1"]) == [
        "--max-endpoints-per-capture must be a number from 0 on"
    ]


def test_a_dry_run_talks_to_nobody_and_so_needs_no_credentials():
    config = parse_config(["--dry-run", "--node-name=n1", "--workloads=w"], {})

    assert config.dry_run
    assert config.output is Output.TABLE


def test_only_a_dry_run_has_an_output():
    assert problems_of(["-o", "json"]) == ["--output is that of --dry-run"]
    assert parse_config(["--dry-run", "-o", "json"], POD).output is Output.JSON


def test_what_captures_may_take_has_defaults():
    bounds = parse_config([], POD).bounds

    assert bounds == Bounds(
        disk=DiskBudget(None, 1 << 30, 15, 50),
        segments=SegmentRules(10_000_000, 3600, 2, max_size=1 << 30, max_files=100),
        ring_bytes=32 << 20,
        ring_memory_bytes=1 << 30,
    )


def test_what_captures_may_take_is_said_by_flags_and_by_felix():
    flags = [
        *("--max-bytes=2Gi", "--min-free-bytes=500M", "--min-free-percent=0"),
        *("--max-bytes-per-namespace-percent=100", "--max-file-size=5Mi", "--max-files=9"),
        *("--ring-buffer-size=4Mi", "--ring-memory=64Mi"),
    ]
    felix = {
        "FELIX_CaptureMaxSizeBytes": "0x1000",
        "felix_capturerotationseconds": "60",
        "FELIX_CAPTUREMAXFILES": "5",
        # The name that some documentation has: no parameter.
        "FELIX_CAPTUREMAXROTATIONSECONDS": "7",
    }

    config = parse_config(flags, POD | felix)

    assert config.bounds == Bounds(
        disk=DiskBudget(2 << 30, 500_000_000, 0, 100),
        segments=SegmentRules(4096, 60, 5, max_size=5 << 20, max_files=9),
        ring_bytes=4 << 20,
        ring_memory_bytes=64 << 20,
    )
    assert config.warnings == ()


def test_what_felix_cannot_be_told_is_said_and_does_not_stop_the_agent():
    config = parse_config([], POD | {"FELIX_CaptureMaxFiles": "all"})

    assert config.bounds.segments.files == 2
    assert config.warnings == ("FELIX_CAPTUREMAXFILES='all' is no integer from 1 on: it is 2",)


def test_captures_may_take_as_much_as_there_is():
    assert parse_config(["--max-bytes=0"], POD).bounds.disk.max_bytes == 0


@pytest.mark.parametrize(
    ("flag", "problem"),
    [
        ("--max-bytes=63Mi", "--max-bytes must be 0, or at least 64Mi"),
        ("--min-free-percent=100", "--min-free-percent must be a number from 0 to 99"),
        (
            "--max-bytes-per-namespace-percent=0",
            "--max-bytes-per-namespace-percent must be a number from 1 to 100",
        ),
        ("--max-file-size=1M", "--max-file-size must be at least 1Mi"),
        ("--max-files=0", "--max-files must be a number from 1 on"),
        ("--ring-buffer-size=1Mi", "--ring-buffer-size must be at least 2Mi"),
        ("--ring-memory=4Mi", "--ring-memory must be at least --ring-buffer-size"),
    ],
)
def test_bounds_that_cannot_work_are_named(flag, problem):
    assert problems_of([flag]) == [problem]


def test_a_size_that_is_none_ends_at_once(capsys):
    with pytest.raises(SystemExit):
        parse_config(["--max-bytes=much"], POD)

    assert "argument --max-bytes: 'much' is no size" in capsys.readouterr().err


def test_help_is_to_be_had(capsys):
    with pytest.raises(SystemExit) as raised:
        parse_config(["--help"], POD)

    assert raised.value.code == 0
    assert "10 % of the file system, at most 10Gi" in " ".join(capsys.readouterr().out.split())
