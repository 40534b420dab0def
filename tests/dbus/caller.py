"""caller.py ADDRESS: does what its standard input says, a JSON object a line, and answers on its standard output likewise:
{"path", "interface", "method", "arguments": GVariant as text or null, "interactive", "file": path or null} →
{"value": GVariant as text} or {"error": name, "message"}. A file is made empty and goes along as handle 0. Also run as
other users, so it reads nothing from where it lies. An answer does not hold up the next call."""

import json
import os
import sys

from gi.repository import Gio, GLib

NAME = "org.orion.UsbStorage1"


def reply(**words):
    print(json.dumps(words), flush=True)


def on_done(connection, result, number):
    try:
        value, _ = connection.call_with_unix_fd_list_finish(result)
        reply(number=number, value=value.print_(True))
    except GLib.Error as error:
        reply(number=number, error=Gio.DBusError.get_remote_error(error) or "", message=error.message)


def on_input(file, _condition, connection, loop, rest):
    text = os.read(file, 65536)
    if not text:
        loop.quit()
        return False
    *lines, last = (rest.pop() + text).split(b"\n")
    rest.append(last)
    for line in lines:
        do_call(connection, json.loads(line))
    return True


def do_call(connection, words):
    files = Gio.UnixFDList.new()
    if words.get("file"):
        with open(words["file"], "wb") as file:
            files.append(file.fileno())
    flags = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION if words["interactive"] else Gio.DBusCallFlags.NONE
    connection.call_with_unix_fd_list(
        words.get("name", NAME),
        words["path"],
        words["interface"],
        words["method"],
        GLib.Variant.parse(None, words["arguments"], None, None) if words["arguments"] else None,
        None,
        flags,
        60000,
        files,
        None,
        on_done,
        words["number"],
    )


def main():
    connection = Gio.DBusConnection.new_for_address_sync(
        sys.argv[1],
        Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
        None,
        None,
    )
    loop = GLib.MainLoop()
    GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, on_input, connection, loop, [b""])
    reply(name=connection.get_unique_name())
    loop.run()


main()
