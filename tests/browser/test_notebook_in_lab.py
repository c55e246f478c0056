"""The analyst's notebook in JupyterLab, in a headless browser that may talk to this machine only."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "01_from_exports_to_release.ipynb"
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}
PROMPTS = (
    """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(prompt => prompt.textContent.trim())"""
)
ERRORS = '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]'
MAPS = """() => [...document.querySelectorAll('.js-plotly-plot')].filter(plot => plot._fullLayout && plot._fullLayout.map)
  .map(plot => plot._fullLayout.map._subplot.map.loaded())"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """JupyterLab on a copy of the notebooks, with settings of its own; its address and token."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("notebooks", "data"):
        shutil.copytree(ROOT / name, folder / name)
    home = {
        **{
            name: str(folder / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        },
        **{name: str(folder / name.lower()) for name in ("IPYTHONDIR", "JUPYTERLAB_WORKSPACES_DIR")},
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    for name, settings in SETTINGS.items():
        path = folder / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder / 'notebooks'}"]
    log = (folder / "log").open("w")
    server = subprocess.Popen(command, env={**os.environ, **home}, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(1200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        else:
            pytest.fail(f"JupyterLab did not start:\n{(folder / 'log').read_text()[-2000:]}")
        yield f"http://127.0.0.1:{port}", token
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=300)


def test_the_notebook_runs_and_draws_in_jupyterlab_without_the_net(
    browser: Any, watched: Any, lab: tuple[str, str], tmp_path: Path
) -> None:
    address, token = lab
    context = browser.new_context(viewport={"width": 1300, "height": 12_000})
    seen = watched(context.new_page(), (address, address.replace("http", "ws")))
    page = seen.page
    page.goto(f"{address}/lab/tree/{NOTEBOOK}?reset&token={token}", timeout=600_000)
    page.wait_for_selector("text=Python 3 (ipykernel) | Idle", timeout=600_000)
    page.locator(".lm-MenuBar-item >> text=Run").first.click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
    end = time.monotonic() + 1800
    while time.monotonic() < end:
        prompts = page.evaluate(PROMPTS)
        if prompts and all(prompt.strip("[]:").isdigit() for prompt in prompts):
            break
        if page.locator(ERRORS).count():
            break
        time.sleep(1)
    prompts = page.evaluate(PROMPTS)
    errors = page.locator(ERRORS).all_inner_texts()
    folder = Path(os.environ.get("ANONKIT_SCREENSHOTS", str(tmp_path)))
    page.screenshot(path=folder / "notebook.png", full_page=True)
    assert all(prompt.strip("[]:").isdigit() for prompt in prompts), (prompts, errors)
    assert errors == []
    for _ in range(1200):
        loaded = page.evaluate(MAPS)
        if len(loaded) == 4 and all(loaded):
            break
        time.sleep(0.5)
    page.screenshot(path=folder / "notebook.png", full_page=True)
    assert loaded == [True] * 4
    assert page.locator(".js-plotly-plot").count() == 7
    assert seen.blocked == []
    context.close()
