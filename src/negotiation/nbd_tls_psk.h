#pragma once

/*
 * NbdTlsPsk
 *
 * Keys that server and client both know, as psktool(1) writes them.
 */

#include "negotiation/nbd_peer.h"
#include "negotiation/nbd_tls.h"

#define NBD_TLS_PSK_KEY_SIZE_MIN 16
#define NBD_TLS_PSK_KEY_SIZE_MAX 64
#define NBD_TLS_PSK_ENTRIES_MAX 1024

typedef struct NbdTlsPskEntry {
        char identity[NBD_PEER_NAME_SIZE_MAX];
        uint8_t key[NBD_TLS_PSK_KEY_SIZE_MAX];
        size_t key_size;
} NbdTlsPskEntry;

typedef struct NbdTlsPsk {
        NbdTlsPskEntry *entries; /* owned array */
        size_t n_entries;
} NbdTlsPsk;

/* Lines that begin with # are comments. -EINVAL: `reason`, of NBD_TLS_REASON_SIZE, says what is
 * wrong with which line, -ENOMEM. */
int nbd_tls_psk_parse(NbdTlsPsk *psk, const NbdTlsText *text, char *reason);
/* Forgets the keys. */
void nbd_tls_psk_done(NbdTlsPsk *psk);
/* `identity` is not terminated. NULL: there is none. */
const NbdTlsPskEntry *nbd_tls_psk_find(const NbdTlsPsk *psk, const void *identity, size_t size);
