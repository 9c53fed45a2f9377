"""A page of a result: everything is in it, nothing comes from outside, and a browser shows the values."""

import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from denoisers import TVDenoiser
from operators import MRI, Blur, Identity, gaussian_kernel, random_columns
from pnp import PnPADMM, Stop, data
from pnp.many.answers import write_answer
from pnp.view import Content, of_file, write_page
from pnp.view.content import panel
from pnp.view.page import page

STOP = Stop(max_iter=4, tolerance=0)
X = data.sample("camera")[..., 100:140, 180:228]
VOID = {"meta", "input", "br", "line", "polyline"}


class Strict(HTMLParser):
    """Every tag is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        assert not [n for n, v in attrs if n in ("src", "href") or n.startswith("on")]

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(place) -> tuple[str, list[dict]]:
    """The text of a page, and its panels with their values."""
    text = place.read_text()
    strict = Strict()
    strict.feed(text)
    strict.close()
    assert not strict.open and "://" not in text and "@@" not in text and "default-src 'none'" in text
    panels = json.loads(re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)[0])
    for p in panels["panels"]:
        p["values"] = []
        for part in p["parts"]:
            raw = np.frombuffer(base64.b64decode(part["data"]), "<u2").astype(np.float64)
            p["values"].append(part["low"] + (raw - 1) * (part["high"] - part["low"]) / 65534)
    return text, panels["panels"]


def solved(op, x, noise=0.05):
    g = torch.Generator().manual_seed(0)
    y = op(x)
    return PnPADMM(op, TVDenoiser(), noise_std=noise, stop=STOP).solve(y + noise * torch.randn(y.shape, generator=g))


def close(values, x) -> bool:
    span = float(x.max() - x.min())
    return bool((np.abs(values - x.double().flatten().numpy()) <= 1.01 * span / 65534).all())


def test_values_report_and_settings_are_in_the_page(tmp_path):
    result = solved(Blur(gaussian_kernel(1.0), (40, 48)), X)
    std = torch.full_like(result.x, 0.03)
    text, panels = parsed(result.view(tmp_path / "a.html", reference=X, uncertainty=std))
    assert [p["name"] for p in panels] == ["image", "reference", "error", "standard deviation", "misfit / noise"]
    assert [p["kind"] for p in panels] == ["gray", "gray", "size", "size", "signed"]
    assert close(panels[0]["values"][0], result.x) and close(panels[2]["values"][0], (result.x - X).abs())
    assert result.health is not None and close(panels[4]["values"][0], result.health.measured.residual)
    assert text.count("<svg") == 3 and "denoiser strength sigma" in text
    assert all(f.topic in text for f in result.health.findings) and "TVDenoiser" in text
    with pytest.raises(FileExistsError):
        result.view(tmp_path / "a.html")
    with pytest.raises(ValueError, match=r"reference: \(1, 1, 4, 4\), but the image has"):
        result.view(tmp_path / "b.html", reference=torch.ones(1, 1, 4, 4))


def test_complex_colour_volumes_batches_and_visibilities(tmp_path):
    z = torch.polar(X, 3 * X)
    result = solved(MRI(random_columns((40, 48), 2.0, 0.2, seed=0)), torch.cat((z, z.conj())))
    _, panels = parsed(write_page(result, tmp_path / "c.html"))
    assert panels[0]["kind"] == "complex" and panels[0]["n"] == 2 and panels[1]["kind"] == "size"
    assert close(panels[0]["values"][1], result.x.imag)
    colour = solved(Identity((20, 24), channels=3), data.sample("astronaut")[..., 60:80, 180:204])
    _, panels = parsed(write_page(colour, tmp_path / "d.html", reference=colour.x))
    assert [p["kind"] for p in panels[:3]] == ["colour", "colour", "size"] and max(panels[2]["values"][0]) == 0
    assert close(panels[0]["values"][0], colour.x.movedim(1, -1))
    volume = result._replace(x=torch.rand(1, 1, 5, 8, 9), source=None, health=None)
    _, panels = parsed(write_page(volume, tmp_path / "e.html"))
    assert len(panels) == 1 and panels[0]["n"] == 5 and close(panels[0]["values"][0], volume.x)
    place = tmp_path / "f.html"
    place.write_text(page(Content("sky", [panel("image", X)], np.linspace(0.1, 9, 5000), {}, {})))  # visibilities
    text, panels = parsed(place)
    assert len(panels) == 1 and ">misfit / noise<" in text and "largest of 8 data each" in text
    broken = result._replace(x=torch.full((1, 1, 8, 8), float("nan")), source=None, health=None)
    _, panels = parsed(write_page(broken, tmp_path / "g.html"))
    assert base64.b64decode(panels[0]["parts"][0]["data"]) == bytes(128)  # what is not finite is marked


def test_pages_of_files(tmp_path):
    op = Blur(gaussian_kernel(1.0), (40, 48))
    result = solved(op, X)
    result.save(tmp_path / "a")
    text, panels = parsed(write_page(tmp_path / "a", tmp_path / "a.html"))
    same, others = parsed(write_page(result, tmp_path / "b.html"))
    assert [p["parts"] for p in panels] == [p["parts"] for p in others]
    for part in ('<table id="findings">', '<section id="curves">'):
        of = [t[t.index(part) : t.index("</section>", t.index(part))] for t in (text, same)]
        assert of[0] == of[1]
    write_answer(tmp_path / "c.npz", result, {"data": {"file": "</script><b>"}})
    text, panels = parsed(write_page(tmp_path / "c.npz", tmp_path / "c.html", reference=tmp_path / "c.npz"))
    assert [p["name"] for p in panels] == ["image", "reference", "error"] and "&lt;/script&gt;" in text
    solver = PnPADMM(op, TVDenoiser(), noise_std=0.05, stop=STOP)
    solver.solve(op(X), callback=lambda state, record: state.step == 2, checkpoint=tmp_path / "k", every=2)
    text, panels = parsed(write_page(tmp_path / "k", tmp_path / "k.html"))
    assert "not finished after 2 iterations" in text and text.count("<svg") == 3
    (tmp_path / "n").write_text("none")
    for name, kind in (("n", ValueError), ("absent", FileNotFoundError)):
        with pytest.raises(kind, match=name):
            of_file(tmp_path / name)


def test_the_script_is_javascript():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not there")
    script = Path(__file__).parents[2] / "pnp" / "view" / "page.js"
    subprocess.run([node, "--check", script], check=True)


@pytest.fixture
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("chromium is not there")
    with playwright.sync_playwright() as p:
        opened = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


def test_in_a_browser(tmp_path, browser):
    """Pixels of the canvas are the values; window, zoom, slice and part of complex values change what is shown."""
    x = torch.zeros(1, 1, 3, 8, 8, dtype=torch.complex64)
    x[0, 0, 1] = torch.linspace(0, 1, 64).reshape(8, 8)
    x[0, 0, 2, 4, 4] = torch.tensor(-1j)
    result = solved(Identity((8, 8)), X[..., :8, :8])._replace(x=x, source=None, health=None)
    place = write_page(result, tmp_path / "a.html")
    tab, said = browser.new_page(viewport={"width": 700, "height": 1200}), []
    tab.on("console", lambda m: said.append(m.text) if "getImageData" not in m.text else None)
    tab.on("pageerror", lambda e: said.append(str(e)))
    tab.on("request", lambda r: said.append(r.url) if not r.url.startswith("file:") else None)
    tab.goto(place.as_uri())
    tab.wait_for_selector("canvas")
    at = "([x, y]) => { const c = document.querySelector('canvas'); return c.getContext('2d').getImageData("
    at += "(x + 0.5) / 8 * c.width, (y + 0.5) / 8 * c.height, 1, 1).data[0]; }"

    def pixel(row: int, column: int) -> int:
        return tab.evaluate(at, [column, row])

    def slide(number: int) -> None:
        tab.locator("input[type=range]").fill(str(number))

    assert pixel(4, 4) == 0
    slide(1)
    assert all(abs(pixel(r, c) - 255 * (8 * r + c) / 63) < 2 for r, c in ((0, 0), (3, 5), (7, 7)))
    tab.locator("input[type=number]").nth(1).fill("0.5")
    tab.locator("input[type=number]").nth(1).press("Enter")
    assert pixel(7, 7) == 255 and abs(pixel(3, 5) - 2 * 255 * 29 / 63) < 3
    slide(2)
    tab.locator("select").select_option("imaginary")
    assert pixel(4, 4) == 0 and pixel(0, 0) == 255
    canvas = tab.locator("canvas").bounding_box()
    tab.mouse.move(canvas["x"] + canvas["width"] * 4.5 / 8, canvas["y"] + canvas["height"] * 4.5 / 8)
    assert tab.locator("output").text_content() == "row 4, column 4: -1.0000"
    tab.mouse.wheel(0, -400)
    tab.wait_for_timeout(200)
    assert (pixel(3, 3), pixel(5, 5), pixel(2, 2)) == (0, 0, 255)  # 2.7 times as large about (4.5, 4.5)
    tab.mouse.dblclick(canvas["x"] + 5, canvas["y"] + 5)
    assert pixel(4, 4) == 0 and pixel(5, 5) == 255
    assert said == []
