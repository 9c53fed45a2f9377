"""Where commands read and write: pipes that close, full disks, folders that may not be written to, a name twice."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from denoisers.weights.writing import new_folder, refuse_unwritable, written
from pnp.cli import main
from pnp.commands.values import as_value
from pnp.pipes import CLOSED

IMAGE = np.random.default_rng(0).random((24, 24)).astype("f4")


def fails(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.fixture
def forbidden(tmp_path, monkeypatch):
    """A folder that may not be written to, whoever runs the tests."""
    folder = tmp_path / "forbidden"
    folder.mkdir()
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder and allowed(path, mode))
    return folder


def test_a_reader_that_stops_ends_a_benchmark_without_words():
    """As ``| head`` does."""
    command = [sys.executable, "-m", "benchmarks.paper", "--list"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    words = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1 and words == b""


class Full:
    """The output on a disk that is full."""

    def write(self, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("arguments", [["recipes"], ["recipes", "--json"], ["info", "nothing", "--json"]])
def test_a_full_disk_is_an_error(arguments, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Full())
        words = fails(capsys, *arguments)
        patched.setattr(sys, "stdout", None)  # closed: there is nothing to write to
        main(["recipes"])
    assert ("no file nothing" if "nothing" in arguments else "No space left") in words


class Closed:
    """The output after whose reader has gone."""

    def __init__(self, late: bool) -> None:
        self.late = late

    def write(self, text: str) -> None:
        if not self.late:
            raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


@pytest.mark.parametrize("late", [True, False])
def test_a_reader_that_stops_ends_a_command_without_words(late, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Closed(late))
        with pytest.raises(SystemExit) as stop:
            main(["recipes"])
    assert stop.value.code == CLOSED and capsys.readouterr().err == ""


def test_places_that_may_not_be_written_to_are_told_before_the_work(forbidden, tmp_path, capsys):
    np.savez(tmp_path / "m.npz", y=IMAGE, mask=np.ones_like(IMAGE), noise_std=0.1)
    np.save(tmp_path / "a.npy", IMAGE)
    word = "forbidden may not be written to"
    command = ("reconstruct", tmp_path / "m.npz", "--out")
    assert word in fails(capsys, *command, forbidden / "x.npy")
    assert word in fails(capsys, *command, forbidden)
    assert word in fails(capsys, *command, tmp_path / "x.npy", "--checkpoint", forbidden / "c")
    assert word in fails(capsys, "denoise", tmp_path / "a.npy", "--to", forbidden / "b.npy")
    assert word in fails(capsys, "denoise", tmp_path / "a.npy", tmp_path / "m.npz", "--to", forbidden)
    assert word in fails(capsys, "demo", "--out", forbidden / "x.png")
    assert word in fails(capsys, "evaluate", "drunet-natural-gray-fast", "--data", tmp_path, "--to", forbidden)
    assert word in fails(capsys, "train", "lofi-natural-gray-fast", "--data", tmp_path, "--out", forbidden)
    file = tmp_path / "a.npy"
    assert "out: expected a folder" in fails(
        capsys, "train", "lofi-natural-gray-fast", "--data", tmp_path, "--out", file
    )
    with pytest.raises(PermissionError, match="cannot write x.txt: .*forbidden may not"), written(forbidden / "x.txt"):
        pass
    with pytest.raises(NotADirectoryError, match="out: expected a folder"):
        new_folder("out", file / "below")
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere for x"):
        refuse_unwritable(tmp_path / "nowhere" / "x")


def test_two_images_never_have_one_answer(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        Path(folder).mkdir()
        np.save(f"{folder}/x.npy", IMAGE)
    command = ("denoise", "a/x.npy", "b", "--force", "--prior", "lofi-natural-gray-fast", "--sigma", "0.1")
    assert "a/x.npy and b/x.npy would both be to/x.npy" in fails(capsys, *command, "--to", "to")
    one = ["denoise", "a", "--prior", "lofi-natural-gray-fast", "--sigma", "0.1", "-q"]
    main(one)
    main([*one, "--force"])  # the answer beside the image is no image of the folder
    assert sorted(p.name for p in Path("a").iterdir()) == ["x-denoised.npy", "x.npy"]
    main(["denoise", "a/x.npy", *one[2:], "--to", "new/"])  # a folder, as its name says
    assert np.array_equal(np.load("new/x.npy"), np.load("a/x-denoised.npy"))


def test_names_without_an_ending_are_kept_whole(tmp_path, capsys):
    pytest.importorskip("pydicom")
    from .io.test_images import write_dicom

    for k in (3, 4):
        write_dicom(tmp_path / f"1.2.840.{k}", np.full((5, 6), k))
    files = [tmp_path / f"1.2.840.{k}" for k in (3, 4)]
    common = ["--prior", "drunet-natural-gray-fast", "-q"]
    main(["denoise", *map(str, files), "--to", str(tmp_path / "a"), "--sigma", "0.1", *common])
    main(["reconstruct", *map(str, files), "--out", str(tmp_path / "b"), "--noise", "1", "--iterations", "1", *common])
    names = [Path(line).name for line in capsys.readouterr().out.split()]
    assert names == ["1.2.840.3.npy", "1.2.840.4.npy", "1.2.840.3.npz", "1.2.840.4.npz"]


def test_a_saved_solve_is_no_checkpoint_and_files_count_once(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("m.npz", y=IMAGE, mask=np.ones_like(IMAGE), noise_std=0.1)
    main(["reconstruct", "m.npz", "--out", "x.npz", "--save", "solve", "--iterations", "1", "-q"])
    kept = Path("solve").read_bytes()
    words = fails(capsys, "reconstruct", "m.npz", "--out", "y.npz", "--checkpoint", "solve", "--iterations", "2")
    assert "a solve that has ended" in words and Path("solve").read_bytes() == kept
    main(["reconstruct", "m.npz", "m*.npz", "--out", "answers", "--iterations", "1", "-q"])
    assert capsys.readouterr().out.strip() == "answers/m.npz"


def test_the_users_folder_in_options_and_settings(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.savez(tmp_path / "m.npz", y=IMAGE, mask=np.ones_like(IMAGE), noise_std=0.1)
    main(["reconstruct", "~/m.npz", "--out=~/x.npz", "--iterations", "1", "-q"])
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.toml").write_text('files = ["~/m.npz"]\nout = "~/answers/"\niterations = 1\n')
    main(["reconstruct", "~/below/a.toml", "-q"])
    assert capsys.readouterr().out.split() == [str(tmp_path / "x.npz"), str(tmp_path / "answers" / "m.npz")]


def test_what_a_command_is_given_is_not_left_out(tmp_path, capsys):
    np.save(tmp_path / "a.npy", IMAGE)
    (tmp_path / "ends.py").write_text("import sys; sys.exit(3)")
    assert "SystemExit: 3" in fails(capsys, "check", f"{tmp_path / 'ends.py'}:op")
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 and no more")
    words = fails(capsys, "reconstruct", tmp_path / "a.npy", "--out", tmp_path / "x.npy", "--json",
                  "--operator", "Radon", f"angles=@{tmp_path / 'b.npz'}:a")  # fmt: skip
    assert f"cannot read {tmp_path / 'b.npz'}: " in words
    np.save(tmp_path / "c.npy", np.arange(3, dtype=">f8"))
    assert as_value(f"@{tmp_path / 'c.npy'}").tolist() == [0, 1, 2]
    with pytest.raises(FileNotFoundError, match="no file nothing.npy"):
        as_value("@nothing.npy")
    np.savez(tmp_path / "d.npz", y=IMAGE, mask=np.ones_like(IMAGE))
    assert "takes none" in fails(capsys, "info", tmp_path / "d.npz", "--reader", "slices=1")
    main(["info", str(tmp_path / "d.npz"), "--json"])
    assert json.loads(capsys.readouterr().out)["operator"]["kind"] == "Inpainting"
