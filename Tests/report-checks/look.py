"""Pictures of a report as a reader sees it: look.py REPORT.html FOLDER [NAME …]

Without names all of wide, narrow, dark, narrow-dark and print.
"""

import pathlib
import sys

from browser import Browser

VIEWS = {
    "wide": (1600, "light", ""), "narrow": (400, "light", ""), "dark": (1600, "dark", ""),
    "narrow-dark": (400, "dark", ""), "print": (794, "light", "print"),
}


def main():
    report, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    with Browser() as browser:
        for name in sys.argv[3:] or VIEWS:
            width, scheme, media = VIEWS[name]
            page = browser.page(width=width)
            page.theme(scheme, media)
            page.open(report)
            page.screenshot(folder / f"{name}.png")
            page.close()


main()
