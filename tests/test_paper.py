"""The papers' claims: rows are measured, kept, judged by their rules, and become a page."""

import json

import pytest
import torch

Image = pytest.importorskip("PIL.Image")

from benchmarks.paper import page  # noqa: E402
from benchmarks.paper.__main__ import main  # noqa: E402
from benchmarks.paper.lofi_trained import _edges  # noqa: E402
from benchmarks.paper.papers import ABSENT, PAPERS, ROWS  # noqa: E402
from benchmarks.paper.row import Row, judged, told  # noqa: E402


@pytest.fixture
def data(tmp_path):
    for folder, count in (("bsd400_gray", 4), ("bsd68", 6)):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for i in range(count):
            rows = torch.arange(130)[:, None] * (i + 2) + torch.arange(130)
            Image.fromarray((rows % 256).to(torch.uint8).numpy()).save(tmp_path / "data" / folder / f"{i}.png")
    return tmp_path / "data"


def test_rows_are_measured_once_and_become_a_page(data, tmp_path, capsys):
    """One row without a training, one with; tiny budgets."""
    pytest.importorskip("matplotlib")
    places = {"--results": "r.json", "--page": "p.md", "--kept": "kept", "--pictures": "pictures"}
    common = ["--data", str(data), *(v for k, name in places.items() for v in (k, str(tmp_path / name)))]
    rows = ["xunit-parameters", "xunit-activations"]
    main([*rows, *common, "--budget", "0.3"])
    found = json.loads((tmp_path / "r.json").read_text())
    assert found.keys() == {*rows} and found["xunit-activations"]["scale"] == pytest.approx(0.01, abs=0.005)
    assert found["xunit-parameters"]["figures"]["four_layers"] == 99_136
    text = (tmp_path / "p.md").read_text()
    assert "303,616" in text and text.count("not run") >= 2 * (len(ROWS) - 2)
    assert f"{len(ROWS) - 2} not run." in text
    assert "pictures/xunit-activations.png" in text and (tmp_path / "pictures" / "xunit-activations.png").exists()
    capsys.readouterr()
    main([*rows, *common])  # kept: nothing is measured again, at whatever budget
    assert json.loads((tmp_path / "r.json").read_text()) == found and "nothing to measure" in capsys.readouterr().err


def test_what_the_command_refuses(tmp_path, capsys):
    (tmp_path / "cut.json").write_text('{"xunit-parameters": {"figu')
    for words, said in (
        (["xunit-parameters", "--budget", "inf"], "positive number of seconds"),
        (["--page-only", "--results", str(tmp_path / "cut.json")], "cut.json is not a JSON file, or is cut off"),
        (["no-such-row"], "no row no-such-row"),
        (["xunit-parameters", "--budget", "0"], "positive number of seconds"),
        (["xunit-parameters", "--data", str(tmp_path / "none"), "--results", str(tmp_path / "r")], "no data folder"),
    ):
        with pytest.raises(SystemExit):
            main(words)
        assert said in capsys.readouterr().err
    main(["--list"])
    assert len(capsys.readouterr().out.splitlines()) == len(ROWS)


def test_rows_are_whole():
    assert len(ROWS) == sum(len(rows) for rows in PAPERS.values()) >= 30
    for row in ROWS.values():
        assert row.claim and row.printed and row.budget and "reproduced: " in row.rule and row.seconds > 0
        assert judged(row, {}) == "not reached"  # nothing measured, nothing reached
        assert told(row.shown, {}) and (not row.why or told(row.why, {}))


@pytest.mark.parametrize(
    ("name", "figures", "verdict"),
    [
        ("xunit-bsd68", {"at_25": 29.22, "at_50": 26.26}, "reproduced"),
        ("xunit-bsd68", {"at_25": 29.05, "at_50": 26.05}, "same trend"),
        ("xunit-bsd68", {"at_25": 28.50, "at_50": 26.05}, "not reached"),
        ("mixer-baselines", {"mixer": 3.0, "unet": 2.0, "vit": 1.0}, "reproduced"),
        ("mixer-baselines", {"mixer": 2.0, "unet": 2.05, "vit": 1.0}, "same trend"),
        ("mixer-baselines", {"mixer": 2.0, "unet": 2.9, "vit": 1.0}, "not reached"),
        ("lofi-ten", {"lofi_lost": 0.05, "unet_lost": 0.9}, "reproduced"),
        ("lofi-ten", {"lofi_lost": 0.2, "unet_lost": 0.9}, "same trend"),
        ("lofi-ten", {"lofi_lost": 0.9, "unet_lost": 0.2}, "not reached"),
        ("course-losses", {"ssim": 0.9, "mse": 0.8, "l1": 0.85, "fourier": 0.7, "mixed": 0.85}, "reproduced"),
        ("course-losses", {"ssim": 0.9, "mse": 0.8, "l1": 0.95, "fourier": 0.7, "mixed": 0.85}, "same trend"),
        ("course-losses", {"ssim": 0.7, "mse": 0.8, "l1": 0.95, "fourier": 0.7, "mixed": 0.85}, "not reached"),
    ],
)
def test_verdicts_follow_from_figures(name, figures, verdict):
    assert judged(ROWS[name], figures) == verdict


def test_the_page_says_what_is_missing():
    row = Row(
        "a", "a claim", "2", "none", lambda effort: {}, "{x:.1f}", "reproduced: 2.", lambda f: (f["x"] == 2, False)
    )
    low = Row("b", "b claim", "2", "none", row.measure, row.shown, row.rule, row.verdict, "it is {x:.1f} here")
    kept = {"scale": 0.5, "cpu_seconds": 3.0, "date": "2026-01-01", "version": "1"}
    text = page.text({"P": [row, low]}, {"a": kept | {"figures": {"x": 2.0}}, "b": kept | {"figures": {"x": 1.0}}})
    assert "1 reproduced, 1 not reached" in text and "it is 1.0 here" in text
    assert "| `a` | a claim | 2 | 2.0 | none; 3 s, 0.5 of the usual steps, 2026-01-01, 1 | **reproduced** |" in text
    assert "| `b` | b claim | 2 | not run | none | not run |" in page.text({"P": [row, low]}, {})


def test_committed_page_is_that_of_the_committed_figures():
    assert page.PAGE.read_text() == page.text(PAPERS, page.read(page.RESULTS), page.PICTURES, ABSENT)


def test_edges_know_their_direction():
    x = torch.zeros(1, 40, 40)
    x[:, :, 20:] = 1.0  # a vertical edge: it runs along the rows
    places, direction = _edges(x)
    assert bool(((places[:, 1] - 19.5).abs() < 4).all())
    assert torch.allclose(direction[:, 0].abs(), torch.ones(20), atol=1e-3)
