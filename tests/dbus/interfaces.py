#!/usr/bin/python3
"""conf/interfaces is what the service says of itself, and every action that it asks polkit for has a policy."""

import glob
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
from private_bus import HERE, NAME, ROOT, private_bus, wait_until, write
from results import Results

SOURCE = os.path.realpath(os.path.join(HERE, "../.."))
STANDARD = "org.freedesktop.DBus"


def describe_annotations(element):
    return tuple(sorted((a.get("name"), a.get("value")) for a in element.findall("annotation")))


def describe_arguments(member, direction):
    return tuple((a.get("name"), a.get("type"), a.get("direction", direction)) for a in member.findall("arg"))


def describe(interface):
    """Everything that an introspection says, in no order."""
    members = set()
    for method in interface.findall("method"):
        members.add(("method", method.get("name"), describe_arguments(method, "in"), describe_annotations(method)))
    for signal in interface.findall("signal"):
        members.add(("signal", signal.get("name"), describe_arguments(signal, "out"), describe_annotations(signal)))
    for prop in interface.findall("property"):
        words = (prop.get("name"), prop.get("type"), prop.get("access"))
        members.add(("property", *words, describe_annotations(prop)))
    return members


def read_shipped():
    shipped = {}
    for path in glob.glob(os.path.join(SOURCE, "conf/interfaces/*.xml")):
        for interface in ElementTree.parse(path).getroot().findall("interface"):
            assert os.path.basename(path) == interface.get("name") + ".xml", path
            shipped[interface.get("name")] = describe(interface)
    return shipped


def read_live(caller, path, live):
    xml = caller.call("org.freedesktop.DBus.Introspectable", "Introspect", path=path)
    root = ElementTree.fromstring(xml)
    for interface in root.findall("interface"):
        if not interface.get("name").startswith(STANDARD):
            live[interface.get("name")] = describe(interface)
    for node in root.findall("node"):
        read_live(caller, f"{path}/{node.get('name')}", live)


def make_job(bus, caller):
    """One that is still there when it is looked at: at full speed so much takes seconds."""
    wait_until(lambda: caller.get("Manager", "NExports") == 3, "all is exported")
    write(bus, "1209-0001-SLOW-lun0", 4 << 20)
    caller.call("Cache", "Flush", "(@a{sv} {},)", path=f"{ROOT}/devices/sim0")


def shipped_interfaces_are_the_live_ones(caller):
    live, shipped = {}, read_shipped()
    read_live(caller, ROOT, live)
    assert set(live) == set(shipped), set(live) ^ set(shipped)
    for name, members in live.items():
        assert members == shipped[name], f"{name}: {sorted(members ^ shipped[name])}"


def every_member_is_named_and_typed():
    for name, members in read_shipped().items():
        for member in members:
            for argument in member[2] if member[0] != "property" else ():
                assert argument[0] and argument[1], f"{name}: {member}"


def read_actions():
    actions = {}
    policy = ElementTree.parse(os.path.join(SOURCE, f"conf/{NAME}.policy")).getroot()
    for action in policy.findall("action"):
        defaults = action.find("defaults")
        actions[action.get("id")] = {default.tag: default.text for default in defaults}
        annotations = {a.get("key"): a.text for a in action.findall("annotate")}
        assert annotations["org.freedesktop.policykit.owner"] == "unix-user:usb-storage", action.get("id")
        assert action.find("description").text and action.find("message").text
    return actions


def every_action_is_asked_for_and_has_a_policy():
    asked = set()
    for path in glob.glob(os.path.join(SOURCE, "src/dbus/*.c")):
        with open(path, encoding="utf-8") as file:
            asked |= set(re.findall(r'BUS_ACTION\("([a-z-]+)"\)', file.read()))
    expected = {f"{NAME}.{name}" for name in asked}
    assert expected == set(read_actions()), expected ^ set(read_actions())


def nobody_from_afar_is_allowed_anything():
    for action, defaults in read_actions().items():
        assert defaults["allow_any"] == defaults["allow_inactive"] == "auth_admin", action


def main():
    results = Results()
    with private_bus() as bus:
        bus.start_service(specs=["size=16M,luns=2,speed=full,serial=SLOW", "type=optical,size=1M,serial=DISC"])
        caller = bus.caller()
        make_job(bus, caller)
        results.check(shipped_interfaces_are_the_live_ones, caller)
    results.check(every_member_is_named_and_typed)
    results.check(every_action_is_asked_for_and_has_a_policy)
    results.check(nobody_from_afar_is_allowed_anything)
    results.finish()


main()
