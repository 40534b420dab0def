#pragma once

/*
 * A child is told on its command line which version of ControlMessage its manager speaks, before any
 * message: one of another release, as in the middle of an upgrade, ends at once and guesses at nothing.
 * The manager likewise kills a child whose HELLO has another version.
 */

#define CONTROL_VERSION_TEXT_SIZE 12

/* What the manager gives as the child's only argument. */
void control_version_format(char text[static CONTROL_VERSION_TEXT_SIZE]);
/* Of a child's main(). -EPROTO: it is another version, or there is none; that is told on standard error. */
int control_version_check(int argc, char **argv);
