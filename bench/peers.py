"""Make a venv for each peer, and one for ourselves with what is optional, under bench/peers: `python bench/peers.py`.

None of them is a dependency of the project. What cannot be installed is told, and run.py then takes its ratio from the
baseline.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PEERS = {
    "tapeline": ("3.11", ["-e", f"{HERE.parent}[fast]", "py-spy"]),
    "cryptofeed": ("3.13", ["cryptofeed==3.0.1", "uvloop"]),
    "nautilus": ("3.12", ["nautilus_trader==1.231.0"]),
    "ccxt": ("3.11", ["ccxt==4.5.90"]),
    "backtesting": ("3.12", ["backtesting==0.6.5"]),
    "rustybt": ("3.12", ["rustybt==0.3.3"]),
}


def interpreter(version):
    """One that pyenv has, else whatever uv finds."""
    for python in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        return str(python)
    return version


def main():
    absent = 0
    for name in sys.argv[1:] or PEERS:
        version, packages = PEERS[name]
        venv = HERE / "peers" / name
        python = venv / "bin" / "python"
        try:
            if not python.exists():
                subprocess.run(["uv", "venv", "-q", "--python", interpreter(version), str(venv)], check=True)
            # Ours at the versions that were tested; a peer wants its own, which our constraints would forbid.
            own = ["--no-config"] if name != "tapeline" else []
            subprocess.run(["uv", "pip", "install", "-q", *own, "--python", str(python), *packages], check=True)
            print(f"{name}: {', '.join(packages)}")
        except (subprocess.CalledProcessError, OSError) as error:
            absent += 1
            print(f"{name}: absent ({error})")
    sys.exit(1 if absent else 0)


main()
