#!/usr/bin/python3
"""install.py LIST: installs into a folder of its own and compares what is there with LIST: each file or link with its
mode, nothing more and nothing less. Folders in LIST are options of meson: {udev_dir}/rules.d."""

import difflib
import os
import stat
import subprocess
import sys
import tempfile


def expected(path):
    """Lines as describe() writes them, sorted by path."""
    names = {name.lower(): value for name, value in os.environ.items()}
    with open(path, encoding="utf-8") as file:
        lines = [line.strip().format(**names) for line in file if line.strip() and not line.startswith("#")]
    return sorted(lines, key=lambda line: line.split()[1])


def describe(root, path):
    status = os.lstat(path)
    name = path[len(root) :]
    if stat.S_ISLNK(status.st_mode):
        return f"link {name} {os.readlink(path)}"
    return f"{stat.S_IMODE(status.st_mode):o} {name}"


def installed(root):
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names]
    return sorted((describe(root, path) for path in paths), key=lambda line: line.split()[1])


def main():
    build = os.environ["BUILD_FOLDER"]
    with tempfile.TemporaryDirectory() as root:
        subprocess.run(
            ["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        is_same = True
        for line in difflib.unified_diff(expected(sys.argv[1]), installed(root), "expected", "installed", "", "", 0, ""):
            is_same = False
            print("#", line)
    print("ok" if is_same else "not ok", "1 - what is installed is what is listed")
    print("1..1")


main()
