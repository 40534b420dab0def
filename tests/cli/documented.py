#!/usr/bin/python3
"""Help, manuals and completions agree about verbs, options and the programs' other names.

documented.py SOURCE_FOLDER: PROGRAM_FOLDER and SERVICE in the environment.
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
SERVICE = os.environ["SERVICE"]
SERVICE_MAN = SOURCE + "/man/usb-storaged.8.scd"
SIMULATION_MAN = SOURCE + "/man/usb-storage-simulation.7.scd"


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


def no_other_options_in_manual():
    """the manual has no option that there is not"""
    texts = [help_of(), *(help_of(verb) for verb in VERBS)]
    known = set().union(*(re.findall(r"^  (-\w)\b", text, re.M) for text in texts), *map(options_in, texts))
    named = set(re.findall(r"\*(--[a-z-]+|-[a-z])\*", read(MAN)))
    assert named <= known, named - known


def service_options_in_manual():
    """the service's manual has its options and no other"""
    listed = subprocess.run([SERVICE, "--help"], capture_output=True, check=True, text=True).stdout
    entries = re.findall(r"^\*.*", read(SERVICE_MAN).split("# OPTIONS")[1].split("\n# ")[0], re.M)
    named = re.findall(r"\*(--[a-z-]+)\*", " ".join(entries))
    assert sorted(named) == sorted(set(re.findall(r"--[a-z-]+", listed))), named


def allowed_in_simulation(spec):
    """What a wrong one is answered with."""
    ran = subprocess.run([SERVICE, "--no-usb", "--simulate", spec], capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    return re.search(r"allowed are (.*)", ran.stderr).group(1)


def simulation_in_manual():
    """the manual of simulated disks has their keys and no other, and so it is with faults and selectors"""
    manual, faults = read(SIMULATION_MAN).split("# FAULTS")
    keys = re.findall(r"\*([a-z-]+)=?\*", " ".join(re.findall(r"^\*.*", manual.split("# MEDIUM")[1], re.M)))
    assert sorted("attribute-N" if key == "attribute-" else key for key in keys) == sorted(
        allowed_in_simulation("no-such-key=1").split(", ")
    ), keys
    table = faults.split("|[")[1].split("# SEE ALSO")[0]
    kinds = re.findall(r"\*([a-z-]+):?\*", " ".join(re.findall(r"^ *(?:\| +)?\*.*", table, re.M)))
    allowed = re.sub(r" \(.*?\)", "", allowed_in_simulation("faults=no-such-fault")).split(", ")
    assert sorted(kinds) == sorted(allowed), set(kinds) ^ set(allowed)
    selectors = re.findall(r"\*([a-z-]+)=\*", faults.split("Selectors:")[1].split("Faults, where")[0])
    allowed = re.findall(r"([a-z-]+)=", allowed_in_simulation("faults=babble@no-such-selector"))
    assert set(selectors) == set(allowed), set(selectors) ^ set(allowed)


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
    for check in (
        in_manual,
        options_in_manual,
        no_other_options_in_manual,
        service_options_in_manual,
        simulation_in_manual,
        links_in_manual,
        bash_verbs,
        bash_options,
        bash_devices,
        in_zsh,
    ):
        results.check(check)
    results.finish()


main()
