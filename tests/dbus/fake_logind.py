#!/usr/bin/python3
"""fake_logind.py ADDRESS: delays the host's sleep for who asks for it, as logind does, and sends it to sleep and wakes it
as org.orion.Test says."""

import os
import sys

from gi.repository import Gio, GLib

PATH = "/org/freedesktop/login1"
LOGIND = """
<node>
  <interface name="org.freedesktop.login1.Manager">
    <method name="Inhibit">
      <arg type="s" direction="in"/> <arg type="s" direction="in"/> <arg type="s" direction="in"/>
      <arg type="s" direction="in"/> <arg type="h" direction="out"/>
    </method>
    <signal name="PrepareForSleep"> <arg type="b"/> </signal>
  </interface>
  <interface name="org.orion.Test">
    <method name="Tell"> <arg type="b" direction="in"/> </method>
    <method name="GetInhibitors"> <arg type="a(ssss)" direction="out"/> </method>
  </interface>
</node>
"""


class Logind:
    def __init__(self):
        self.inhibitors = {}  # by our end

    def inhibit(self, invocation, words):
        ours, theirs = os.pipe()
        self.inhibitors[ours] = words
        GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, ours, GLib.IOCondition.HUP, self.on_closed)
        invocation.return_value_with_unix_fd_list(GLib.Variant("(h)", (0,)), Gio.UnixFDList.new_from_array([theirs]))

    def on_closed(self, fd, _condition):
        del self.inhibitors[fd]
        os.close(fd)
        return False

    def on_call(self, connection, _sender, _path, _interface, method, parameters, invocation):
        arguments = parameters.unpack()
        if method == "Inhibit":
            self.inhibit(invocation, arguments)
        elif method == "Tell":
            connection.emit_signal(None, PATH, "org.freedesktop.login1.Manager", "PrepareForSleep", parameters)
            invocation.return_value(None)
        else:
            invocation.return_value(GLib.Variant("(a(ssss))", (list(self.inhibitors.values()),)))


def main():
    connection = Gio.DBusConnection.new_for_address_sync(
        sys.argv[1],
        Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
        None,
        None,
    )
    logind = Logind()
    for interface in Gio.DBusNodeInfo.new_for_xml(LOGIND).interfaces:
        connection.register_object(PATH, interface, logind.on_call, None, None)
    Gio.bus_own_name_on_connection(connection, "org.freedesktop.login1", 0, None, None)
    loop = GLib.MainLoop()
    connection.connect("closed", lambda *_: loop.quit())
    loop.run()


main()
