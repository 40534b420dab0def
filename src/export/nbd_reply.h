#pragma once

/*
 * NbdReply
 *
 * The bytes of a request's reply, simple or structured, made from how it ended. Private to export.
 */

#include "export/nbd_request.h"

/* Fills head, payload and tail of `request`, whose `error` tells how it ended. */
void nbd_reply_encode(NbdRequest *request, const NbdAgreement *agreement);
/* The one place where -errno becomes an error number of the protocol. */
NbdError nbd_reply_error_from_errno(int error, const NbdRequest *request);
