#!/usr/bin/python3
"""Help, manual and completions agree about verbs, options and the program's other names.

documented.py SOURCE_FOLDER: PROGRAM_FOLDER in the environment.
"""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

from results import Results

SOURCE = sys.argv[1]
FOLDER = os.environ["PROGRAM_FOLDER"]
PROGRAM = FOLDER + "/usb-storagectl"
BASH = SOURCE + "/conf/completions/usb-storagectl.bash"
ZSH = SOURCE + "/conf/completions/_usb-storagectl"
MAN = SOURCE + "/man/usb-storagectl.1.scd"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def help_of(*arguments):
    return subprocess.run([PROGRAM, *arguments, "--help"], capture_output=True, check=True, text=True).stdout


def options_in(text):
    return set(re.findall(r"^  (?:-\w,|   ) (--[a-z-]+)", text, re.M)) | set(re.findall(r"^  (-\w) ", text, re.M))


def verbs():
    text = help_of().split("Verbs:\n")[1].split("\n\n")[0]
    return re.findall(r"^  (\S+)", text, re.M)


VERBS = verbs()
COMMON = options_in(help_of())


def complete(*words, name="usb-storagectl"):
    """What bash offers for the last word."""
    script = f"""source '{BASH}'; usb-storagectl() {{ printf '%s\\n' 1-4 2-1; }}
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _usb_storagectl; printf '%s\\n' "${{COMPREPLY[@]}}" """
    ran = subprocess.run(["bash", "-u", "-c", script, "bash", name, *words],
                         capture_output=True, check=True, text=True)  # fmt: skip
    assert ran.stderr == "", ran.stderr
    return set(ran.stdout.split())


def in_manual():
    """the manual has every verb with its arguments and no other"""
    text = read(MAN).split("# VERBS")[1].split("# OPTIONS")[0]
    assert sorted(re.findall(r"^\*([a-z-]+)\*", text, re.M)) == sorted(VERBS)


def options_in_manual():
    """the manual has every option, those of a verb beside it"""
    manual = read(MAN)
    common = manual.split("# OPTIONS")[1]
    for option in COMMON:
        assert f"*{option}*" in common, option
    for verb in VERBS:
        entry = re.search(rf"^\*{verb}\*.*?(?=^\*|^#)", manual.split("# VERBS")[1], re.M | re.S).group()
        for option in options_in(help_of(verb)) - COMMON:
            assert f"*{option}*" in entry or f"*{option}*" in common, f"{verb} {option}"


def links_in_manual():
    """the manual and bash know the program's other names, and these are links to it"""
    links = sorted(name for name in os.listdir(FOLDER) if name.startswith("usb_storage_") and "." not in name)
    text = read(MAN).split("# OTHER NAMES")[1].split("\n# ")[0]
    assert links and sorted(re.findall(r"\*(usb_storage_\w+)\*", text)) == links
    assert sorted(set(re.findall(r"usb_storage_\w+", read(BASH).split("\ncomplete ")[1]))) == links
    for link in links:
        assert os.readlink(FOLDER + "/" + link) == "usb-storagectl"
        ran = subprocess.run([FOLDER + "/" + link, "--help"], capture_output=True, check=True, text=True)
        assert ran.stdout.startswith(link + " "), ran.stdout


def bash_verbs():
    """bash offers every verb, and what begins as the word does"""
    assert complete("") == set(VERBS)
    assert complete("device-") == {verb for verb in VERBS if verb.startswith("device-")}


def bash_options():
    """bash offers a verb's options after it, and those of all before it"""
    common = {option for option in COMMON if option.startswith("--")}
    assert {word.rstrip("=") for word in complete("--")} == common
    for verb in VERBS:
        expected = {option for option in options_in(help_of(verb)) if option.startswith("--")}
        assert {word.rstrip("=") for word in complete(verb, "--")} == expected, verb
    assert complete("--json", "=", "p") == {"pretty"}


def bash_devices():
    """bash offers devices where one is meant"""
    assert complete("status", "") == {"1-4", "2-1"}
    assert complete("status", "1") == {"1-4"}
    assert complete("1", name="usb_storage_device_info") == {"1-4"}


def in_zsh():
    """zsh knows every verb and its options, and takes the file"""
    text = read(ZSH)
    listed = text.split("verbs=(\n")[1].split("\n)")[0]
    assert re.findall(r"^ +'([a-z-]+):", listed, re.M) == VERBS
    for option in COMMON:
        assert option in text.split("verbs=(")[0], option
    for verb in VERBS:
        entry = re.search(rf"^ +(?:[a-z-]+ \| )*{verb}(?: \| [a-z-]+)*\).*?;;", text, re.M | re.S)
        assert entry, verb
        for option in options_in(help_of(verb)) - COMMON:
            assert option in entry.group(), f"{verb} {option}"
    if shutil.which("zsh"):
        subprocess.run(["zsh", "-n", ZSH], check=True)


def main():
    results = Results()
    for check in (in_manual, options_in_manual, links_in_manual, bash_verbs, bash_options, bash_devices, in_zsh):
        results.check(check)
    results.finish()


main()
