"""Solves on disk: the same bits after a stop, a kill or a repetition; what differs is named."""

import argparse
import contextlib
import functools
import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from denoisers import Denoiser
from denoisers.weights import tensors_hash
from operators import Blur, LinearOperator, gaussian_kernel
from pnp import Anderson, Expert, PnPADMM, PnPHQS, Stop, compare, replay
from pnp.analysis.identity import identity
from pnp.cli import main

from .problems import data, image, operators


class Smoothing(Denoiser):
    """Some of the mean over neighbours."""

    intensity_range = None

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x, sigma):
        return x + self.share * (torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False) - x)


STOP = Stop(max_iter=16, tolerance=0)


def problem(name: str):
    op = operators()[name]
    return op, data(op, image(op, 2))


def solver(op, **others) -> PnPADMM:
    return PnPADMM(op, Smoothing(0.5), **{"noise_std": 0.03, "stop": STOP, **others})


@pytest.mark.parametrize("name", ["blur", "mri with coils", "colour inpainting"])
def test_a_solve_goes_on_from_its_checkpoint_with_the_same_bits(name, tmp_path):
    op, y = problem(name)
    whole = solver(op).solve(y)
    solver(op).solve(y, callback=lambda state, record: state.step == 13, checkpoint=tmp_path / "a", every=5)
    rest = replay(tmp_path / "a", solver(op), y)
    assert torch.equal(rest.x, whole.x) and torch.equal(rest.residuals(), whole.residuals())
    assert rest.reason == whole.reason and rest.state.step == 16


def test_samples_that_have_ended_stay_as_they_are(tmp_path):
    op, y = problem("blur")
    y = torch.cat((y, torch.zeros_like(y[:1])))
    stop = Stop(max_iter=40, tolerance=2e-3)
    whole = solver(op, stop=stop).solve(y)
    solver(op, stop=stop).solve(y, checkpoint=tmp_path / "a", every=len(whole.history) - 1)
    rest = replay(tmp_path / "a", solver(op, stop=stop), y)
    assert torch.equal(rest.x, whole.x) and rest.reasons == whole.reasons


def test_a_saved_solve_is_repeated_and_continued(tmp_path):
    op, y = problem("blur")
    start = image(op, 2)
    for make in (solver, lambda op, **o: Anderson(solver(op, **o))):
        result = make(op).solve(y, x0=start)
        result.save(tmp_path / "a")
        again = replay(tmp_path / "a", make(op), y, until=6)
        assert torch.equal(again.residuals(), result.residuals()[:6])
        longer = make(op, stop=Stop(max_iter=20, tolerance=0)).solve(y, x0=start)
        assert torch.equal(replay(tmp_path / "a", make(op), y, until=20).x, longer.x)
        assert torch.equal(replay(tmp_path / "a", make(op), y).x, result.x)


def test_what_differs_is_named(tmp_path):
    op, y = problem("blur")
    solver(op).solve(y).save(tmp_path / "a")
    blur = Blur(gaussian_kernel(1.1), op.in_shape[-2:])
    for other, values, words in (
        (solver(op, strength=2.0), y, "solver: strength was 1.0, is 2.0"),
        (solver(op, noise_std=0.04), y, "likelihood: likelihood.noise_std was 0.03, is 0.04"),
        (solver(blur), y, "operator: likelihood.op.kernel"),
        (solver(op), y + 1, "data: y"),
        (PnPADMM(op, Smoothing(0.3), noise_std=0.03), y, "denoiser: denoiser.share was 0.5, is 0.3"),
        (PnPHQS(op, Smoothing(0.5), noise_std=0.03), y, "solver was PnPADMM, is PnPHQS"),
        (solver(op, expert=Expert(1.0, 0.1)), y, "solver: expert"),
    ):
        with pytest.raises(ValueError, match="was saved of another solve") as caught:
            replay(tmp_path / "a", other, values)
        assert words in str(caught.value)


def test_two_solves_are_compared(tmp_path):
    op, y = problem("blur")
    for name, others in (("a", {}), ("b", {}), ("c", {"strength": 1.1})):
        solver(op, **others).solve(y).save(tmp_path / name)
    same, other = (compare(tmp_path / "a", tmp_path / name) for name in ("b", "c"))
    assert same == (None, 0.0, 0.0, {}) and "no iteration differs" in str(same)
    assert other.first == 1 and other.residual > 0 and other.image > 0
    assert other.settings == {"strength": ("1.0", "1.1")} and "iteration 1" in str(other)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    op, y = problem("blur")
    path = tmp_path_factory.mktemp("kept") / "a"
    solver(op, stop=Stop(max_iter=3, tolerance=0)).solve(y).save(path)
    return path, op, y


EDITS: list[tuple[tuple[Any, ...], Any]] = [
    (("tree",), None), (("tree", "map", "state"), {}), (("tree", "map", "rows"), [1, 2]), (("tree", "map", "best"), []),
    (("tree", "map", "bound"), "x"), (("tree", "map", "reasons"), ["converged"]), (("tree", "map", "x0"), "x"),
    (("tree", "map", "bound", "tensor"), "nothing"), (("tree", "map", "bound", "tensor"), {}),
    (("tree", "map", "bound", "complex"), True), (("tree", "map", "answer"), {"map": {}}), (("settings",), 5),
    (("tree", "map", "state", "map", "source"), True), (("tree", "map", "state", "map", "values", "map"), -1),
    (("told", "findings", 0), {}), (("told", "findings", 0, "seen"), None), (("told", "reason"), 7), (("told",), []),
    (("told", "history"), "x"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value"), EDITS, ids=[".".join(map(str, place)) for place, _ in EDITS])
def test_edited_headers_are_told(kept, place, value, tmp_path, capsys):
    path, op, y = kept
    with safe_open(path, framework="pt") as file:
        card = json.loads(file.metadata()["solve"])
    part = card
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    save_file(load_file(path), tmp_path / "b", metadata={"solve": json.dumps(card)})
    for call in (lambda: replay(tmp_path / "b", solver(op), y), lambda: compare(path, tmp_path / "b")):
        with pytest.raises(ValueError, match=r"path: .* is damaged, or was changed: "):
            call()
    for command in ("info", "view"):
        with contextlib.suppress(SystemExit):  # info does not look at the state
            main([command, str(tmp_path / "b"), "-q"])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("solve.rows", lambda v: v.flatten()),
        ("solve.bound", lambda v: v[:0]),
        ("solve.best.0", lambda v: v[:1]),
        ("solve.best_residual", lambda v: v.double()),
    ],
)
def test_edited_tensors_are_told(kept, name, change, tmp_path):
    path, op, y = kept
    with safe_open(path, framework="pt") as file:
        tensors, told = load_file(path), file.metadata()
    tensors[name] = change(tensors[name]).clone()
    save_file(tensors, tmp_path / "b", metadata=told)
    with pytest.raises(ValueError, match="do not have the hash of its card"):
        replay(tmp_path / "b", solver(op), y)
    card = json.loads(told["solve"]) | {"sha256": tensors_hash(tensors)}
    save_file(tensors, tmp_path / "b", metadata={"solve": json.dumps(card)})
    with pytest.raises(ValueError, match="do not fit each other"):
        replay(tmp_path / "b", solver(op), y)


@pytest.mark.parametrize("bit", [3, 20, 25])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_bit_of_damage_is_told(kept, bit, share, tmp_path):
    path, op, y = kept
    raw = bytearray(path.read_bytes())
    first = 8 + int.from_bytes(raw[:8], "little")
    place = first + int(share * (len(raw) - first)) // 4 * 4
    raw[place + bit // 8] ^= 1 << bit % 8
    (tmp_path / "b").write_bytes(raw)
    with pytest.raises(ValueError, match="is damaged, or was changed"):
        replay(tmp_path / "b", solver(op), y)
    with pytest.raises(ValueError, match="is damaged, or was changed"):
        compare(path, tmp_path / "b")


NETWORK, SHARE = Smoothing(0.3), {"share": 0.3}


def by_name(x, sigma):
    return NETWORK(x, sigma)


def through_another(x, sigma):
    return by_name(x, sigma)


def by_number(x, sigma):
    return x + SHARE["share"] * (torch.nn.functional.avg_pool2d(x, 3, 1, 1) - x)


class Configured(torch.nn.Module):
    """Settings in an object of some kind."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def forward(self, x, sigma):
        return x + self.config.share * (torch.nn.functional.avg_pool2d(x, 3, 1, 1) - x)


class Config:
    def __init__(self, share: float) -> None:
        self.share = share


@pytest.mark.parametrize(
    "case", ["network by its name", "network by a helper", "number by its name", "namespace", "options", "own class"]
)
def test_a_denoiser_that_was_changed_behind_its_name_is_refused(case, tmp_path, monkeypatch):
    op, y = problem("blur")
    kinds = {"namespace": SimpleNamespace, "options": argparse.Namespace, "own class": Config}
    named = {"network by its name": by_name, "network by a helper": through_another, "number by its name": by_number}
    denoiser: Any = named.get(case)
    if denoiser is None:
        denoiser = Configured(kinds[case](share=0.3))
    make = functools.partial(PnPADMM, op, noise_std=0.05, stop=STOP)
    make(denoiser).solve(y).save(tmp_path / "a")
    replay(tmp_path / "a", make(denoiser), y)  # as it was
    before = identity(make(denoiser), make(denoiser).begin(y).facts)["weights"]
    if case.startswith("network"):
        monkeypatch.setattr(sys.modules[__name__], "NETWORK", Smoothing(0.9))
    elif case == "number by its name":
        monkeypatch.setitem(SHARE, "share", 0.9)
    else:
        denoiser.config.share = 0.9
    with pytest.raises(ValueError, match="denoiser"):
        replay(tmp_path / "a", make(denoiser), y)
    make(denoiser).solve(y).save(tmp_path / "b")
    assert compare(tmp_path / "a", tmp_path / "b").settings
    assert identity(make(denoiser), make(denoiser).begin(y).facts)["weights"] != before


def test_files_that_are_no_solves(tmp_path):
    op, y = problem("blur")
    result = solver(op).solve(y)
    (tmp_path / "notes").write_text("dear diary")
    with pytest.raises(FileExistsError):
        result.save(tmp_path / "notes")
    with pytest.raises(ValueError, match="not a saved solve"):
        replay(tmp_path / "notes", solver(op), y)
    with pytest.raises(FileNotFoundError):
        replay(tmp_path / "nothing", solver(op), y)
    with pytest.raises(ValueError, match="until"):
        replay(tmp_path / "notes", solver(op), y, until=0)
    with pytest.raises(ValueError, match="every"):
        solver(op).solve(y, checkpoint=tmp_path / "a", every=0)
    result.save(tmp_path / "a")
    result.save(tmp_path / "a")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "notes"]


@pytest.mark.parametrize("calls", [4, 44], ids=["in the search", "after it"])
def test_a_killed_solve_with_its_search_ends_with_the_same_bits(tmp_path, calls):
    code = f"""
import torch
from tests.pnp.test_replay import problem, solver
torch.set_num_threads(1)
op, y = problem("blur")
made = solver(op, strength="auto")
inside, count = torch.nn.functional.avg_pool2d, 0
def slow(*given, **options):  # what the denoiser calls
    global count
    count += 1
    if count == {calls}:
        print(1, flush=True)
        import time; time.sleep(60)
    return inside(*given, **options)
torch.nn.functional.avg_pool2d = slow
made.solve(y, checkpoint={str(tmp_path / "a")!r}, every=2)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"1\n"
        process.kill()
    op, y = problem("blur")
    made = solver(op, strength="auto")
    whole = made.solve(y)
    assert (tmp_path / "a").exists() == (calls == 44)  # before it is over a search has nothing to go on from
    again = replay(tmp_path / "a", made, y) if calls == 44 else solver(op, strength="auto").solve(y)
    assert torch.equal(again.x, whole.x) and torch.equal(again.state.facts.strength, whole.state.facts.strength)


def test_a_killed_solve_ends_with_the_same_bits(tmp_path):
    code = f"""
import torch
from tests.pnp.test_replay import problem, solver
torch.set_num_threads(1)
op, y = problem("blur")
def wait(state, record):
    if state.step == 9:
        print(1, flush=True)
        import time; time.sleep(60)
solver(op).solve(y, callback=wait, checkpoint={str(tmp_path / "a")!r}, every=2)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"1\n"
        process.kill()
    op, y = problem("blur")
    assert torch.equal(replay(tmp_path / "a", solver(op), y).x, solver(op).solve(y).x)


def _closure(share: float):
    return lambda x, sigma: (1 - share) * x + share * torch.nn.functional.avg_pool2d(x, 3, 1, 1)


def _pooled(x, sigma, share: float):
    return _closure(share)(x, sigma)


class Called:
    """No module, but called."""

    def __init__(self, share: float) -> None:
        self.share = np.array([share])

    def __call__(self, x, sigma):
        return _closure(float(self.share[0]))(x, sigma)


@pytest.mark.parametrize("make", [_closure, lambda share: functools.partial(_pooled, share=share), Called])
def test_functions_count_by_what_they_hold(make, tmp_path):
    op, y = problem("blur")
    one, same, other = (PnPADMM(op, make(share), noise_std=0.03, stop=STOP) for share in (0.1, 0.1, 0.9))
    result = one.solve(y)
    result.save(tmp_path / "one.safetensors")
    assert torch.equal(replay(tmp_path / "one.safetensors", same, y, until=3).residuals(), result.residuals()[:3])
    with pytest.raises(ValueError, match="denoiser"):
        replay(tmp_path / "one.safetensors", other, y, until=3)


def test_arrays_of_an_operator_count(tmp_path):
    class Times(LinearOperator):
        in_shape = out_shape = (1, 8, 8)

        def __init__(self, factor: float) -> None:
            super().__init__()
            self.weights = factor * np.ones((8, 8), dtype=np.float32)

        def A(self, x):
            return torch.from_numpy(self.weights).to(x) * x

    y = torch.rand(1, 1, 8, 8)
    one, other = (PnPADMM(Times(f), Smoothing(0.5), noise_std=0.03, stop=STOP) for f in (1.0, 1.5))
    one.solve(y).save(tmp_path / "one.safetensors")
    with pytest.raises(ValueError, match="operator"):
        replay(tmp_path / "one.safetensors", other, y, until=3)
