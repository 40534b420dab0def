#pragma once

/*
 * LearnedFile
 *
 * UsbLearnedFacts as a text that people can read, in the syntax of configuration files: a section for
 * the device and one for each LUN of which something is known.
 */

#include "usb/usb_learned_facts.h"

#define LEARNED_FILE_SIZE_MAX (8 * KIB)

/* Takes a whole text from `fd`, which is borrowed; `name` is for the log, which is told each mistake
 * with its line. -EINVAL: there were any; -ENOMEM, -errno. */
int learned_file_read(UsbLearnedFacts *ret, int fd, const char *name);
/* `facts` are valid. Returns the size of the text. */
size_t learned_file_format(const UsbLearnedFacts *facts, char text[static LEARNED_FILE_SIZE_MAX]);
