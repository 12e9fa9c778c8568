"""The page of `swish report` in a headless Chromium: python report_page.py PAGE SWISH [FOLDER for screenshots].

Exit code 77: there is no browser. Needs Playwright; SWISH_BROWSER names a browser where Playwright has none of its own.
"""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

BROWSERS = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
POINTS = [-30, -5, -2.5, -1, -0.3, 0, 0.25, 1, 1.7, 4, 30]


def launch(playwright):
    """Playwright's own browser, else one of the system's."""
    found = os.environ.get("SWISH_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    for path in [None, found]:
        try:
            return playwright.chromium.launch(executable_path=path)
        except Error:
            if path == found:
                print("no browser: set SWISH_BROWSER, or run `playwright install chromium`")
                sys.exit(77)


def opened(browser, page_file, width, dark=False):
    """The page at a width, and the list that its errors go to."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", reduced_motion="reduce")
    page = context.new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else errors.append(request.url))
    page.goto(Path(page_file).resolve().as_uri())
    page.wait_for_function("performance.getEntriesByName('ready').length > 0")
    return page, errors


def check_width(page, width):
    """Nothing is wider than the window; wide tables scroll on their own."""
    across = page.evaluate("document.documentElement.scrollWidth")
    assert across <= width, f"the page is {across} pixels wide in a window of {width}"


def check_places(page):
    """All tables and figures of the paper have a place."""
    for name, count in [("table", 11), ("figure", 8)]:
        for number in range(1, count + 1):
            assert page.locator(f"#{name}-{number}").count() == 1, f"{name} {number}"
    assert page.locator("img").evaluate_all("all => all.every((one) => !one.complete || one.naturalWidth > 0)")


def check_filters(page):
    """Runs of one profile disappear with it; a column never shows two."""
    reduced, paper = '.kind[data-profile="reduced"]', '.kind[data-profile="paper"]'
    shown = page.locator(reduced).filter(visible=True).count()
    assert shown > 5
    choice = page.locator('[data-filter="profile"]')
    choice.get_by_role("button", name="paper").click()
    assert page.locator(reduced).filter(visible=True).count() == 0
    assert page.locator("#table-4 .filtered").is_visible() == (page.locator(f"#table-4 {paper}").count() == 0)
    choice.get_by_role("button", name="reduced").click()
    assert page.locator(reduced).filter(visible=True).count() == shown
    assert page.locator(paper).filter(visible=True).count() == 0
    choice.get_by_role("button", name="all").click()
    for head in page.locator("#tables .kind").all():
        profile = head.get_attribute("data-profile")
        ours = head.locator("thead th.ours").all_text_contents()
        assert ours and all(f"ours · profile {profile}" in text for text in ours), ours


def check_difference(page):
    """Runs of the paper's size have a difference, in a table of their own; text from results stays text."""
    paper = page.locator('#table-4 .kind[data-profile="paper"]')
    if not paper.count():
        return
    heads = paper.locator("thead th").all_inner_texts()
    assert "difference" in heads, heads
    row = paper.locator("tbody tr").filter(has=page.get_by_role("rowheader", name="relu", exact=True))
    assert row.locator("td").last.inner_text() == "-61.63", row.inner_text()
    assert "difference" not in page.locator('#table-4 .kind[data-profile="reduced"] thead th').all_inner_texts()
    assert "onerror" in paper.inner_text() and page.locator("img[src='x']").count() == 0
    print("difference to the paper: checked")


def check_provenance(page):
    """A number tells where it comes from, by keyboard as well."""
    cell = page.locator("#table-4 [data-cell]").first
    cell.focus()
    tip = page.locator("#tip")
    for word in ["commit", "recipe", "seed", "device", "cifar10", "profile", "time"]:
        assert word in tip.inner_text(), f"{word}: {tip.inner_text()}"
    first = tip.inner_text()
    page.keyboard.press("ArrowDown")
    assert tip.inner_text() != first
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def check_explorer(page):
    """Click, search, toggles and keys."""
    card = page.locator("#search-one-unit")
    card.scroll_into_view_if_needed()
    box = card.get_by_role("searchbox")
    box.fill("cos(x) - x")
    formula = card.locator(".chosen .formula.big")
    card.locator(".hits button").first.click()
    assert formula.inner_text().replace(" ", "") in ("cos(x)-x", "-x+cos(x)"), formula.inner_text()
    assert "derivative" in card.locator(".chosen svg.curve").get_attribute("aria-label")
    box.fill("")
    # The best candidate, found by its place on the canvas.
    place = page.evaluate("""() => { const one = explorers.find((e) => e.search.name === 'one-unit');
        const point = one.byId.get(one.order[0]); return { x: point.px, y: point.py }; }""")
    card.locator("canvas").last.click(position=place)
    assert "rank" in card.locator(".chosen").inner_text()
    assert "1 of 2,575" in card.locator(".chosen").inner_text(), card.locator(".chosen").inner_text()
    card.locator("canvas").last.press("ArrowDown")
    assert "2 of 2,575" in card.locator(".chosen").inner_text()
    failed = card.locator("[data-group]").all_text_contents()
    assert any("1,201" in text for text in failed), failed
    card.locator('[data-group="trained"]').click()
    assert card.get_by_role("status").inner_text().startswith("1,448 of")
    card.locator('[data-group="trained"]').click()


def check_curves(page, swish):
    """The page's values and derivatives are the tool's."""
    chosen = page.evaluate("""() => { const s = DATA.searches[0]; const step = Math.ceil(s.formulas.length / 60);
        return s.formulas.map((f, i) => [s.canonicals[i] || f, s.programs[i]]).filter((_, i) => i % step === 0); }""")
    points = ",".join(map(str, POINTS))
    values = 0
    for formula, program in chosen:
        out = subprocess.run([swish, "activation", f"--at={points}", "--json", "--", formula], capture_output=True, check=True, text=True)
        ours = page.evaluate("([p, xs]) => xs.map((x) => evaluate(p, x, Array(parameters(p)).fill(1)).map(String))", [program, POINTS])
        for point, pair in zip(json.loads(out.stdout)["at"], ours):
            for expected, text in zip((point["value"], point["derivative"]), pair):
                # JSON has no infinity and no NaN.
                value = float(text.replace("Infinity", "inf"))
                same = not math.isfinite(value) if expected is None else abs(value - expected) <= 1e-9 * max(1, abs(expected))
                assert same, f"{formula} at {point['x']}: {value}, expected {expected}"
                values += 1
    return len(chosen), values


def timings(page):
    """Milliseconds of a drawing, and of finding the point under the pointer, with 5,000 candidates and more."""
    return page.evaluate("""() => {
      const s = DATA.searches[0];
      const names = ["formulas", "canonicals", "programs", "sizes", "n", "top1", "losses", "seconds", "errs", "commits"];
      const many = { ...s, name: "many", again: [], equal: {}, names: {} };
      for (const name of names) many[name] = [...s[name], ...s[name].slice(0, 1500)];
      const one = new Explorer(many);
      document.getElementById("search").append(one.element);
      one.start();
      const time = (times, f) => { const start = performance.now(); for (let k = 0; k < times; k += 1) f(k); return (performance.now() - start) / times; };
      const flush = () => one.base.getContext("2d").getImageData(0, 0, 1, 1);
      const box = one.over.getBoundingClientRect();
      const found = { candidates: many.formulas.length, draw: time(5, () => { one.draw(); flush(); }), filter: time(5, (k) => { one.query = "sin(x".slice(0, k + 1); one.filter(); flush(); }),
        hover: time(300, (k) => one.hover({ clientX: box.left + 60 + k, clientY: box.top + 20 + (k * 37) % 200 })) };
      one.element.remove();
      hideTip();
      return found;
    }""")


def main():
    page_file, swish = sys.argv[1:3]
    shots = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for width, dark in [(1280, False), (390, True), (390, False), (1280, True)]:
            page, errors = opened(browser, page_file, width, dark)
            check_width(page, width)
            check_places(page)
            check_filters(page)
            check_difference(page)
            check_provenance(page)
            check_explorer(page)
            assert not errors, errors
            if (width, dark) == (1280, False):
                functions, values = check_curves(page, swish)
                print(f"{functions} functions, {values} values and derivatives as the tool's")
                print("milliseconds:", timings(page))
            check_width(page, width)
            if shots:
                name = f"{width}-{'dark' if dark else 'light'}"
                page.keyboard.press("Escape")
                page.mouse.move(0, 0)
                page.screenshot(path=shots / f"{name}.png", full_page=True)
            page.context.close()
        browser.close()


if __name__ == "__main__":
    main()
