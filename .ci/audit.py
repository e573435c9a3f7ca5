"""Look up the packages of constraints.txt in PyPI's list of known vulnerabilities, with pip-audit.

Exit code 1 if a package has a known vulnerability. Where the list cannot be reached, as behind a mirror without it, the script
prints this and exits with 0: a build must not depend on the list, and must not hide that it was not read.
"""

from __future__ import annotations

import json
import subprocess
import sys

COMMAND = ["-m", "pip_audit", "--requirement", "constraints.txt", "--no-deps", "--disable-pip", "--format", "json"]
SEPARATE = ("torch", "torchvision", "triton")
"""Packages that may come from PyTorch's own index; PyPI's list has only their plain versions."""


def main() -> int:
    """Audit and print; return the exit code."""
    run = subprocess.run([sys.executable, *COMMAND], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(run.stdout)["dependencies"]
    except ValueError:
        print(f"NOT AUDITED: pip-audit failed: {run.stderr.strip()[-300:]}")
        return 0
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if len(skipped) == len(packages):
        print(f"NOT AUDITED: the package index has no list of vulnerabilities; {len(packages)} packages are unchecked")
        return 0
    vulnerable = [package for package in packages if package.get("vulns")]
    for package in vulnerable:
        print(f"{package['name']} {package['version']}: {', '.join(entry['id'] for entry in package['vulns'])}")
    unknown = [name for name in skipped if name not in SEPARATE and not name.startswith("nvidia")]
    if unknown:
        print(f"NOT AUDITED, not in the list: {', '.join(unknown)}")
    print(f"audited {len(packages) - len(skipped)} of {len(packages)} packages: {len(vulnerable)} have known vulnerabilities")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
