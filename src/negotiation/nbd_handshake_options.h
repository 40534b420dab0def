#pragma once

/*
 * NbdHandshakeOptions
 *
 * What one client has agreed on so far, and the answers to its options: bytes in, bytes out. Never
 * touches a socket, so that a test is a table of bytes.
 */

#include "base/buffer.h"
#include "negotiation/nbd_access.h"
#include "negotiation/nbd_export_table.h"

#define NBD_OPTION_HEADER_SIZE 16
#define NBD_CLIENT_FLAGS_SIZE 4
/* Enough for a LIST of NBD_SERVER_EXPORTS_MAX with the longest names and descriptions. */
#define NBD_HANDSHAKE_OUTPUT_SIZE_MAX (512 * KIB)

typedef enum NbdOptionVerdict {
        NBD_OPTION_VERDICT_CONTINUE, /* send the output, read the next option */
        NBD_OPTION_VERDICT_STARTTLS, /* send the output, then TLS begins */
        NBD_OPTION_VERDICT_TRANSMIT, /* send the output, hand the connection over */
        NBD_OPTION_VERDICT_CLOSE,    /* send the output, close */
} NbdOptionVerdict;

/* The protocol's NOTLS, SELECTIVETLS and FORCEDTLS. */
typedef enum NbdTlsUse {
        NBD_TLS_USE_NONE,
        NBD_TLS_USE_OFFERED,
        NBD_TLS_USE_REQUIRED,
} NbdTlsUse;

/* What a client comes to. */
typedef struct NbdHandshakeTerms {
        const NbdExportTable *table; /* borrowed */
        const NbdAccessList *access; /* borrowed; NULL: all may do everything */
        uint64_t only_generation;    /* of the one export that it may see; 0: it may see all */
        NbdTlsUse tls;
        bool is_tls_ready; /* else STARTTLS is refused, also where it is required */
} NbdHandshakeTerms;

typedef struct NbdHandshakeOptions {
        NbdHandshakeTerms terms;
        NbdPeer client;
        Buffer output;        /* to be sent before anything else is read */
        bool has_lost_output; /* no memory: the connection closes */
        bool is_fixed_newstyle;
        bool has_no_zeroes;
        bool has_structured_replies;
        bool has_base_allocation;     /* was selected, */
        uint64_t selected_generation; /* for this export */
        size_t n_options;             /* that the client has sent */
        uint64_t generation;          /* TRANSMIT: of the export */
        NbdAgreement agreement;       /* TRANSMIT */
} NbdHandshakeOptions;

/* Puts the greeting into the output; -ENOMEM. */
int nbd_handshake_options_init(NbdHandshakeOptions *options, const NbdHandshakeTerms *terms,
                               const NbdPeer *client);
void nbd_handshake_options_done(NbdHandshakeOptions *options);
/* -EBADMSG: flags that we did not offer. */
int nbd_handshake_options_set_client_flags(NbdHandshakeOptions *options, uint32_t flags);
/* TLS has begun after STARTTLS: `client` is who it says. What was agreed on before is void. */
void nbd_handshake_options_encrypted(NbdHandshakeOptions *options, const NbdPeer *client);
/* Answers one option with the whole of its data. */
NbdOptionVerdict nbd_handshake_options_answer(NbdHandshakeOptions *options, uint32_t option,
                                              const uint8_t *data, size_t size);
/* Answers an option whose data was more than NBD_OPTION_SIZE_MAX, and skipped. */
NbdOptionVerdict nbd_handshake_options_answer_too_big(NbdHandshakeOptions *options,
                                                      uint32_t option);
