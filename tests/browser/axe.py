"""Whether what a notebook shows can be used by everybody, as far as axe-core can tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
# The outputs one after another, each in sight: what JupyterLab does not render cannot be judged.
OUTPUTS = ".jp-OutputArea-output:has([class*='stemlab-'], .jupyter-widgets)"
FAULTS = """async (selector) => {
  const found = [];
  for (const output of document.querySelectorAll(selector)) {
    output.scrollIntoView({ block: "start" });
    await new Promise((drawn) => setTimeout(drawn, 300));
    const { violations } = await axe.run(output, {
      resultTypes: ["violations"],
      rules: { "target-size": { enabled: true } },
    });
    for (const { id, nodes } of violations)
      found.push(...nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
  }
  return found;
}"""
THEME = "(theme) => jupyterapp.commands.execute('apputils:change-theme', { theme })"


def faults(page: Page, theme: str) -> list[str]:
    """Return what is wrong with the widgets on a page in a theme, ``"Light"`` or ``"Dark"``."""
    page.evaluate(THEME, f"JupyterLab {theme}")
    page.wait_for_function(
        f"document.body.dataset.jpThemeLight === '{str(theme == 'Light').lower()}'"
    )
    if not page.evaluate("'axe' in globalThis"):
        page.add_script_tag(content=AXE.read_text())
    found: list[str] = page.evaluate(FAULTS, OUTPUTS)
    return found
