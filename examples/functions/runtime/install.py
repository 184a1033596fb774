"""Installs a function's packages in a container of its own: the code comes as a tar on stdin, what was installed
goes as a tar to stdout, everything else to stderr."""

import os
import subprocess
import sys
import tarfile

BUILD = "/build"
OFFLINE = "/offline"
os.environ.update(
    HOME=BUILD, TMPDIR=BUILD, npm_config_cache=f"{BUILD}/.npm", PIP_CACHE_DIR=f"{BUILD}/.pip"
)
sys.stdout.flush()
# What packages print must not get between the bytes of the tar.
result = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)


def run(*command):
    print("$", *command, flush=True)
    code = subprocess.run(command, cwd=f"{BUILD}/code", check=False).returncode
    if code != 0:
        sys.exit(code if code > 0 else 1)


with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as code:
    # The service has checked the paths, and this is a container.
    code.extractall(
        f"{BUILD}/code", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {})
    )

offline = os.path.isdir(OFFLINE)
made = []
if os.path.exists(f"{BUILD}/code/package.json"):
    locked = os.path.exists(f"{BUILD}/code/package-lock.json")
    cache = ["--offline", f"--cache={BUILD}/.npm"] if offline else []
    if offline and os.path.isdir(f"{OFFLINE}/npm"):
        subprocess.run(
            [
                "python3",
                "-c",
                "import shutil, sys; shutil.copytree(*sys.argv[1:])",
                f"{OFFLINE}/npm",
                f"{BUILD}/.npm",
            ],
            check=True,
        )
    run("npm", "ci" if locked else "install", "--omit=dev", "--no-audit", "--no-fund", *cache)
    made.append("node_modules")
if os.path.exists(f"{BUILD}/code/requirements.txt"):
    source = ["--no-index", f"--find-links={OFFLINE}/pip"] if offline else []
    run(
        "python3",
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
        "--target",
        ".python",
        *source,
        "-r",
        "requirements.txt",
    )
    made.append(".python")

with tarfile.open(fileobj=result, mode="w|") as packages:
    for name in made:
        if os.path.exists(f"{BUILD}/code/{name}"):
            packages.add(f"{BUILD}/code/{name}", name)
result.close()
