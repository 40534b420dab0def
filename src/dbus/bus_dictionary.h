#pragma once

/*
 * BusDictionary
 *
 * Writes entries of a{sv} to a message, and remembers the first failure, after which it does nothing:
 * whoever writes many of them looks once.
 */

#include <systemd/sd-bus.h>

#include "base/macros.h"

typedef struct BusDictionary {
        sd_bus_message *message; /* borrowed */
        int r;                   /* 0, or the first failure */
} BusDictionary;

/* One dictionary as a value of its own, or as an element of an array. */
void bus_dictionary_open(BusDictionary *dictionary);
void bus_dictionary_close(BusDictionary *dictionary);
/* Arrays of dictionaries as a value of their own. */
void bus_dictionary_open_list(BusDictionary *dictionary);
void bus_dictionary_close_list(BusDictionary *dictionary);

void bus_dictionary_add_text(BusDictionary *dictionary, const char *key, const char *text);
void bus_dictionary_add_number(BusDictionary *dictionary, const char *key, uint64_t number); /* t */
void bus_dictionary_add_integer(BusDictionary *dictionary, const char *key,
                                int64_t integer); /* x */
void bus_dictionary_add_truth(BusDictionary *dictionary, const char *key, bool truth);
/* An entry whose value is a dictionary, or an array of them with `signature` "aa{sv}". */
void bus_dictionary_enter(BusDictionary *dictionary, const char *key, const char *signature);
void bus_dictionary_leave(BusDictionary *dictionary);
