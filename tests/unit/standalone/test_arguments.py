from pathlib import Path

import pytest

from apiserver.standalone.__main__ import parse_arguments


def test_everything_has_a_default():
    options = parse_arguments([])

    assert (options.state_dir, options.secure_port, options.agent_port) == (Path(".run"), 6443, 0)
    assert (options.workloads, options.capture_dir) == (None, None)
    assert options.node


def test_a_node_name_that_fits_into_a_certificate_is_taken():
    assert parse_arguments([f"--node={'n' * 45}"]).node == "n" * 45


@pytest.mark.parametrize("name", ["", "n" * 46], ids=["empty", "too long"])
def test_a_node_name_that_fits_into_no_certificate_is_refused(name, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_arguments([f"--node={name}"])

    assert caught.value.code == 2
    assert "must have 1 to 45 characters" in capsys.readouterr().err
