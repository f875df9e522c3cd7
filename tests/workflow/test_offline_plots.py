"""The page of `dvc plots show`: Vega lies beside it, and is asked of the network only where it does not."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

from dvc_render.html import HTML
from dvc_render.vega import VegaRenderer


def test_dvc_takes_the_plot_template(project_root: Path) -> None:
    config = configparser.ConfigParser()
    config.read(project_root / ".dvc/config")
    template = project_root / ".dvc" / config["plots"]["html_template"]
    page = HTML(template.read_text()).with_scripts(VegaRenderer.SCRIPTS).with_element("<div id='plot'></div>").embed()
    assert "{" + "scripts}" not in page and "<div id='plot'></div>" in page
    asked = page.split("<template", 1)
    assert "https://" not in asked[0] and re.findall(r'src="([^"]+)"', asked[0]) == ["../.dvc/plots/vega.js"]
    inert, rest = asked[1].split("</template>", 1)
    assert "https://" in inert and "https://" not in rest, "what is in a template element is not loaded"


def test_third_party_code_is_not_in_git(project_root: Path) -> None:
    ignored = subprocess.run(["git", "check-ignore", "-q", ".dvc/plots/vega.js"], cwd=project_root, check=False)
    assert ignored.returncode == 0
