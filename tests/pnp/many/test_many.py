"""Many files: every one once, the same bits as singly, whoever is killed; broken ones stop nobody."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from denoisers import TVDenoiser
from operators import Blur, Inpainting, gaussian_kernel, random_mask
from pnp import Job, PnPADMM, Stop, data, reconstruct_many
from pnp.many.claims import Again, claim_of, claimed
from pnp.many.standing import card_of

STOP = Stop(max_iter=3, tolerance=0)
X = data.sample("camera")[..., 100:132, 180:212]
MASK = random_mask((32, 32), 0.6, seed=0)
SLOW = """
import sys, time
from pathlib import Path
from denoisers import TVDenoiser
from operators import Inpainting
from pnp import Job, PnPADMM, Stop, reconstruct_many

def solver(found):
    time.sleep(float(sys.argv[3]))
    return PnPADMM(found.operator(), TVDenoiser(), noise_std=0.05, stop=Stop(max_iter=3, tolerance=0))

if __name__ == "__main__":
    paths = sorted(Path(sys.argv[1]).glob("*.npz"))
    print(reconstruct_many(paths, sys.argv[2], Job(solver=solver), workers=int(sys.argv[4]), quiet=True))
"""


def quick(found):
    return PnPADMM(found.operator(), TVDenoiser(), noise_std=0.05, stop=STOP)


JOB = Job(solver=quick)


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        g = torch.Generator().manual_seed(number)
        y = Inpainting(MASK)(X + 0.05 * torch.randn(X.shape, generator=g))
        np.savez(folder / f"{number}.npz", y=y[0].numpy(), mask=MASK.numpy())
    return sorted(folder.iterdir())


def image(place) -> torch.Tensor:
    with np.load(place) as file:
        return torch.from_numpy(file["x"])


def singly(path) -> torch.Tensor:
    with np.load(path) as file:
        y = torch.from_numpy(file["y"])[None]
    return quick(JOB.read(path)).solve(y).x


def check_whole(files, out) -> None:
    """Every file once, nothing beside, single solves' bits."""
    expected = {f"{f.stem}.npz" for f in files} | {f"{f.stem}.npz.json" for f in files}
    assert {p.name for p in out.iterdir()} == expected
    for f in files:
        assert torch.equal(image(out / f.name), singly(f))


def test_every_file_once_and_broken_ones_are_told(files, tmp_path):
    (files[0].parent / "broken.npz").write_text("none")
    broken = [files[0].parent / "broken.npz", files[0].parent / "absent.npz"]
    found = reconstruct_many([*files[:3], *broken, *files[3:]], tmp_path / "out", JOB, quiet=True)
    assert [p.name for p in found.written] == [f.name for f in files] and list(found.failed) == broken
    assert "broken.npz" in found.failed[broken[0]] and "no file" in found.failed[broken[1]]
    assert "8 files: 6 written, 0 there before, 2 failed" in str(found)
    check_whole(files, tmp_path / "out")
    card = json.loads(card_of(tmp_path / "out" / "0.npz").read_text())
    assert card["report"]["method"] == "PnPADMM" and card["provenance"]["operator"]["kind"] == "Inpainting"
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    again = reconstruct_many(files, tmp_path / "out", JOB, workers=2, quiet=True)
    assert len(again.before) == 6 and times == {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}


def test_nothing_of_others_is_replaced(files, tmp_path):
    out = tmp_path / "out"
    job = Job(prior="natural", noise_std=0.05, stop=STOP)
    reconstruct_many(files[:1], out, job, quiet=True)
    with pytest.raises(FileExistsError, match=r"0\.npz was made with other settings: strength"):
        reconstruct_many(files[:1], out, Job(prior="natural", noise_std=0.05, stop=STOP, strength=2.0), quiet=True)
    files[0].write_bytes(files[1].read_bytes())
    found = reconstruct_many(files[:1], out, job, quiet=True)
    assert "other data" in found.failed[files[0]]
    (out / "2.npz").write_text("mine")
    found = reconstruct_many(files[2:3], out, job, quiet=True)
    assert "nothing beside it" in found.failed[files[2]] and (out / "2.npz").read_text() == "mine"
    found = reconstruct_many(files[:3], out, job, overwrite=True, quiet=True)
    assert len(found.written) == 3 and torch.equal(image(out / "0.npz"), image(out / "1.npz"))
    os.utime(files[1])  # another time, the same content
    assert len(reconstruct_many(files[1:2], out, job, quiet=True).before) == 1


def test_workers_share_what_files_share(files):
    from pnp.many.job import Bench

    bench = Bench(Job(noise_std=0.05))
    first, second = (bench.solver(Job().read(f)) for f in files[:2])
    assert first.op is second.op and first.denoiser is second.denoiser
    blur = Job(operator="Blur", arguments={"kernel": gaussian_kernel(1.0), "image_shape": (32, 32)}, noise_std=0.05)
    other = bench.solver(blur.read(files[0]))
    assert isinstance(other.op, Blur) and other.denoiser is first.denoiser
    assert Bench(blur).solve(blur.read(files[0])).x.shape == (1, 1, 32, 32)


def test_bad_arguments_are_named(files, tmp_path):
    for words, changes in (
        ("workers", {"workers": 0}), ("retries", {"retries": -1}), ("ending", {"ending": ".doc"}),
        ("would both be", {}),
    ):  # fmt: skip
        paths = [*files, tmp_path / "other" / "0.npz"] if not changes else files
        with pytest.raises(ValueError, match=words):
            reconstruct_many(paths, tmp_path / "out", JOB, quiet=True, **changes)  # pyright: ignore
    with pytest.raises(ValueError, match="at least one"):
        reconstruct_many([], tmp_path / "out", JOB)
    for words, settings in (("method", {"method": "x"}), ("shipped", {"prior": "x"}), ("operator", {"operator": "x"})):
        with pytest.raises((ValueError, FileNotFoundError), match=words):
            Job(**settings)  # pyright: ignore


def test_folders_are_kept_below_a_root_and_formats_are_chosen(files, tmp_path):
    deep = tmp_path / "in" / "deep"
    deep.mkdir()
    (deep / "0.npz").write_bytes(files[0].read_bytes())
    out = tmp_path / "out"
    reconstruct_many([files[0], deep / "0.npz"], out, JOB, root=tmp_path / "in", ending=".png", quiet=True)
    assert (out / "0.png").read_bytes() == (out / "deep" / "0.png").read_bytes()


def test_a_claim_counts_those_who_died(tmp_path):
    place = tmp_path / "a.npz"
    claim_of(place).write_bytes(b".")  # what a killed process leaves
    with pytest.raises(Again), claimed(claim_of(place)) as number:
        raise Again
    assert number == 2
    with claimed(claim_of(place)) as number:
        assert number == 3
    assert not claim_of(place).exists()


def start(script, files, out, seconds, workers):
    return subprocess.Popen(
        [sys.executable, str(script), str(files[0].parent), str(out), str(seconds), str(workers)],
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, seconds=60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_driver_and_worker_are_killed_and_every_file_is_done_once(files, tmp_path):
    """kill -9 of a worker: its file is done by another; of the driver: workers end, and the next driver goes on."""
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(SLOW)
    driver = start(script, files, out, 0.4, 2)
    wait_for(lambda: out.exists() and list(out.glob("*.npz.json")))
    by = json.loads(next(iter(out.glob("*.npz.json"))).read_text())["by"]["process"]
    assert by != driver.pid
    os.kill(by, signal.SIGKILL)
    wait_for(lambda: len(list(out.glob("*.npz.json"))) >= 2)
    driver.kill()
    driver.wait()
    assert driver.stdout is not None
    driver.stdout.close()
    wait_for(lambda: not _alive(by))
    done = {p.name: p.stat().st_mtime_ns for p in out.glob("*.json")}
    assert 2 <= len(done) < 6
    rest = start(script, files, out, 0.0, 1)
    said, _ = rest.communicate(timeout=60)
    assert rest.returncode == 0 and "0 failed" in said
    assert done == {name: (out / name).stat().st_mtime_ns for name in done}
    check_whole(files, out)


def test_claims_of_processes_killed_when_all_was_done_go_with_the_next_call(files, tmp_path):
    out = tmp_path / "out"
    reconstruct_many(files, out, JOB, quiet=True)
    claim_of(out / f"{files[2].stem}.npz").write_bytes(b".")
    assert len(reconstruct_many(files, out, JOB, quiet=True).before) == 6
    check_whole(files, out)


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_ray_does_the_same(files, tmp_path):
    pytest.importorskip("ray")
    before = signal.getsignal(signal.SIGTERM)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        found = reconstruct_many(files, tmp_path / "out", JOB, workers=2, cluster="local", quiet=True)
    assert len(found.written) == 6 and not found.failed
    assert signal.getsignal(signal.SIGTERM) is before  # Ray's own would end the driver without a word
    check_whole(files, tmp_path / "out")
