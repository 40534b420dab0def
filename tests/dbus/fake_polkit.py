#!/usr/bin/python3
"""fake_polkit.py ADDRESS: answers as polkit would, what it was told to by org.orion.Test; refuses what it was told
nothing of."""

import sys

from gi.repository import Gio, GLib

POLKIT = """
<node>
  <interface name="org.freedesktop.PolicyKit1.Authority">
    <method name="CheckAuthorization">
      <arg type="(sa{sv})" direction="in"/> <arg type="s" direction="in"/> <arg type="a{ss}" direction="in"/>
      <arg type="u" direction="in"/> <arg type="s" direction="in"/> <arg type="(bba{ss})" direction="out"/>
    </method>
    <method name="CancelCheckAuthorization"> <arg type="s" direction="in"/> </method>
  </interface>
  <interface name="org.orion.Test">
    <method name="SetVerdict"> <arg type="s" direction="in"/> <arg type="s" direction="in"/> </method>
    <method name="TakeCalls"> <arg type="a(ssa{ss}us)" direction="out"/> </method>
    <method name="GetCancelled"> <arg type="as" direction="out"/> </method>
    <method name="Release"> <arg type="s" direction="in"/> </method>
  </interface>
</node>
"""

VERDICTS = {"yes": (True, False, {}), "no": (False, False, {}), "challenge": (False, True, {})}


class Polkit:
    def __init__(self):
        self.verdicts = {}  # "wait": no answer until Release()
        self.calls = []
        self.cancelled = []
        self.waiting = []

    def check(self, invocation, subject, action, details, flags, cancellation):
        self.calls.append((subject[1].get("name", ""), action, details, flags, cancellation))
        verdict = self.verdicts.get(action, "no")
        if verdict == "wait":
            self.waiting.append(invocation)
        else:
            answer(invocation, verdict)

    def on_call(self, _connection, _sender, _path, _interface, method, parameters, invocation):
        arguments = parameters.unpack()
        if method == "CheckAuthorization":
            self.check(invocation, *arguments)
        elif method == "CancelCheckAuthorization":
            self.cancelled.append(arguments[0])
            invocation.return_value(None)
        elif method == "SetVerdict":
            self.verdicts[arguments[0]] = arguments[1]
            invocation.return_value(None)
        elif method == "TakeCalls":
            invocation.return_value(GLib.Variant("(a(ssa{ss}us))", (self.calls,)))
            self.calls = []
        elif method == "GetCancelled":
            invocation.return_value(GLib.Variant("(as)", (self.cancelled,)))
        else:
            for waiting in self.waiting:
                answer(waiting, arguments[0])
            self.waiting = []
            invocation.return_value(None)


def answer(invocation, verdict):
    invocation.return_value(GLib.Variant("((bba{ss}))", (VERDICTS[verdict],)))


def main():
    connection = Gio.DBusConnection.new_for_address_sync(
        sys.argv[1],
        Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
        None,
        None,
    )
    polkit = Polkit()
    for interface in Gio.DBusNodeInfo.new_for_xml(POLKIT).interfaces:
        connection.register_object("/org/freedesktop/PolicyKit1/Authority", interface, polkit.on_call, None, None)
    Gio.bus_own_name_on_connection(connection, "org.freedesktop.PolicyKit1", 0, None, None)
    loop = GLib.MainLoop()
    connection.connect("closed", lambda *_: loop.quit())
    loop.run()


main()
