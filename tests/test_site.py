"""The site: its links lead somewhere, a scientist finds the way, and a browser without a network shows all of it."""

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)
# what someone of each field looks for: the line that reads a file of theirs, and the one that makes an image of it
WANTED = {
    "mri": ('pnp.io.open("scan.mrd")', "PnPADMM(op, noise_std=scan.noise_std).solve(scan.y)"),
    "ct": ('io.open("scan.h5")', "PnPADMM(op, noise_std=m.noise_std).solve(m.y)"),
    "radio": ('open_file("target.uvfits"', "PnPADMM(op, noise_std=measured.noise_std).solve(measured.y)"),
    "lensing": ('open_file("galaxies.fits"', "noise_std=shear.noise_std).solve(shear.y)"),
    "photographs": ('read_images("photo.png")', 'boundary="valid")).solve(y)'),
}


def code_free(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return re.sub(r"^```(?!{|``).*?^```", "", page.read_text(), flags=re.S | re.M)


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def links() -> list[tuple[Path, str]]:
    """Every link and picture of the documentation that stays within the repository."""
    pages = [*sorted(ROOT.glob("*.md")), *PAGES]
    found = [(p, link) for p in pages for link in re.findall(r"\]\(([^)\s]+)\)", code_free(p))]
    return [(p, link) for p, link in found if "://" not in link]


def test_links_lead_somewhere():
    broken = []
    for page, link in links():
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        headings = re.findall(r"^#+ (.*)$", target.read_text(), flags=re.M) if target.suffix == ".md" else []
        if not target.exists() or (anchor and anchor not in map(slug, headings)):
            broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert len(links()) > 150 and broken == []


def trail(start: Path, goal: Callable[[Path], bool], links: Callable[[Path], list[Path]]) -> list[Path]:
    """The fewest pages from ``start`` to one that ``goal`` takes, both included."""
    trails, seen = [[start]], {start}
    for way in trails:
        if goal(way[-1]):
            return way
        new = [p for p in dict.fromkeys(links(way[-1])) if p not in seen]
        seen.update(new)
        trails += [[*way, p] for p in new]
    raise AssertionError(f"no way from {start.name}")


def pages_from(page: Path) -> list[Path]:
    """Where the links in the text of a page lead, other than to pictures."""
    found = [page.parent / link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", code_free(page))]
    return [p.resolve() for p in found if p.suffix == ".md" and p.exists()]


@pytest.mark.parametrize("start", [DOCS / "index.md", ROOT / "README.md"], ids=["site", "readme"])
@pytest.mark.parametrize("field", WANTED)
def test_own_data_are_three_clicks_away(field, start):
    """Along links in the text, by the door of the field, to code that reads such files and makes an image."""
    door = DOCS / "fields" / f"{field}.md"
    assert door in pages_from(start)
    way = trail(door, lambda page: all(line in page.read_text() for line in WANTED[field]), pages_from)
    assert len(way) <= 3, [p.name for p in way]
    assert "# yours" in door.read_text()  # an array that is there already: one click
    for next_click in ("../how_sure.md", "../command_line.md", "## Check these first"):
        assert next_click in door.read_text()


def test_blocks_end():
    """A fence that is left open swallows the headings below it."""
    assert [p.name for p in PAGES if len(re.findall(r"^```", p.read_text(), flags=re.M)) % 2] == []


class Page(HTMLParser):
    """What a page of HTML holds: links of its text, anchors, what a browser loads with it, and formulas as TeX."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.loaded: list[str] = []
        self.formulas = 0
        self.inside: list[str] = []
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        given = {k: v or "" for k, v in attrs}
        self.anchors |= {given[k] for k in ("id", "name") if k in given}
        self.formulas += tag == "math"
        if tag == "a" and "article" in self.inside:
            self.links.append(given.get("href", ""))
        if tag in ("script", "img", "iframe"):
            self.loaded.append(given.get("src", ""))
        if tag == "link" and given.get("rel") == "stylesheet":
            self.loaded.append(given.get("href", ""))
        if tag in ("article", "code", "pre", "script"):
            self.inside.append(tag)

    def handle_endtag(self, tag):
        if self.inside and tag == self.inside[-1]:
            self.inside.pop()

    def handle_data(self, data):
        if self.inside[-1:] == ["article"]:
            self.text += data


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built by Sphinx with warnings as errors."""
    for package in ("sphinx", "myst_parser", "furo", "latex2mathml", "ziamath"):
        pytest.importorskip(package, reason=f"needs {package}: pip install 'pnp-imaging[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(DOCS), str(folder)]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.mark.slow
def test_the_site_is_built_without_warnings(site):
    """Every page is reached from the start, and the search index knows the names."""
    start = (site / "index.html").read_text()
    for page in PAGES:
        name = str(page.relative_to(DOCS).with_suffix(".html"))
        assert name == "index.html" or f'href="{name}"' in start, name
    index = (site / "searchindex.js").read_text()
    assert all(word in index for word in ("pnpadmm", "sinogram", "visibl"))


@pytest.mark.slow
def test_the_site_needs_no_network(site):
    """Nothing is loaded from elsewhere; formulas are MathML, with none left as TeX; links within the site hold."""
    pages = {p.resolve(): Page(p) for p in site.rglob("*.html") if "_static" not in p.parts}
    assert sum(page.formulas for page in pages.values()) > 400
    wrong = []
    for path, page in pages.items():
        wrong += [f"{path.name} loads {at}" for at in page.loaded if "//" in at]
        wrong += [f"{path.name} shows {tex}" for tex in re.findall(r"\\\w+|\$[^$\s]+\$", page.text)]
        for link in page.links:
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            if "//" in link or link.startswith("mailto:"):
                continue
            if not target.exists() or (anchor and target in pages and anchor not in pages[target].anchors):
                wrong.append(f"{path.name} links {link}")
    styles = "".join(p.read_text() for p in (site / "_static").rglob("*.css"))
    wrong += [f"a style loads {at}" for at in re.findall(r"(?:url\(|@import)[^;)]*//[^;)]*", styles)]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("field", WANTED)
def test_own_data_are_three_clicks_away_in_the_browser(field, site):
    """The same way through the pages as they are built."""

    def links(path: Path) -> list[Path]:
        found = [path.parent / link.partition("#")[0] for link in Page(path).links if "//" not in link]
        return [p.resolve() for p in found if p.suffix == ".html" and p.exists()]

    def shows(path: Path) -> bool:
        text = re.sub(r"<[^>]+>", "", path.read_text()).replace("&quot;", '"')
        return all(line in text for line in WANTED[field])

    door = (site / "fields" / f"{field}.html").resolve()
    assert door in links(site / "index.html")
    assert len(trail(door, shows, links)) <= 3
