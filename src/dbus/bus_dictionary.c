/* Containers of sd-bus, one to each step. */

#include "dbus/bus_dictionary.h"

#include <errno.h>

static void open_container(BusDictionary *dictionary, char type, const char *contents) {
        if (dictionary->r >= 0)
                dictionary->r = sd_bus_message_open_container(dictionary->message, type, contents);
}

static void close_container(BusDictionary *dictionary) {
        if (dictionary->r >= 0)
                dictionary->r = sd_bus_message_close_container(dictionary->message);
}

void bus_dictionary_open(BusDictionary *dictionary) { open_container(dictionary, 'a', "{sv}"); }

void bus_dictionary_close(BusDictionary *dictionary) { close_container(dictionary); }

void bus_dictionary_open_list(BusDictionary *dictionary) {
        open_container(dictionary, 'a', "a{sv}");
}

void bus_dictionary_close_list(BusDictionary *dictionary) { close_container(dictionary); }

void bus_dictionary_add_text(BusDictionary *dictionary, const char *key, const char *text) {
        if (dictionary->r >= 0)
                dictionary->r = sd_bus_message_append(dictionary->message, "{sv}", key, "s", text);
}

void bus_dictionary_add_number(BusDictionary *dictionary, const char *key, uint64_t number) {
        if (dictionary->r >= 0)
                dictionary->r = sd_bus_message_append(dictionary->message, "{sv}", key, "t",
                                                      number);
}

void bus_dictionary_add_integer(BusDictionary *dictionary, const char *key, int64_t integer) {
        if (dictionary->r >= 0)
                dictionary->r = sd_bus_message_append(dictionary->message, "{sv}", key, "x",
                                                      integer);
}

void bus_dictionary_add_truth(BusDictionary *dictionary, const char *key, bool truth) {
        if (dictionary->r >= 0)
                dictionary->r = sd_bus_message_append(dictionary->message, "{sv}", key, "b",
                                                      (int) truth);
}

void bus_dictionary_enter(BusDictionary *dictionary, const char *key, const char *signature) {
        open_container(dictionary, 'e', "sv");
        if (dictionary->r >= 0)
                dictionary->r = sd_bus_message_append(dictionary->message, "s", key);
        open_container(dictionary, 'v', signature);
        open_container(dictionary, 'a', signature + 1);
}

void bus_dictionary_leave(BusDictionary *dictionary) {
        close_container(dictionary);
        close_container(dictionary);
        close_container(dictionary);
}
