#pragma once

/*
 * NbdPeer
 *
 * Who is at the other end of a connection, as far as the kernel or TLS has proven it. Plain data.
 */

#include <sys/types.h>

#include "base/macros.h"

#define NBD_PEER_GROUPS_MAX 256
#define NBD_PEER_NAME_SIZE_MAX 512
#define NBD_FINGERPRINT_SIZE 32 /* SHA-256 */
#define NBD_IDENTITY_SIZE (NBD_PEER_NAME_SIZE_MAX + sizeof("certificate "))

typedef struct NbdPeer {
        bool is_tcp;
        /* Of the process that connected, over a unix socket. */
        bool has_user;
        uint32_t user_id;
        uint32_t group_ids[NBD_PEER_GROUPS_MAX]; /* its group, then the supplementary ones */
        size_t n_group_ids;
        /* Of TLS. */
        bool is_encrypted;
        bool has_certificate;                 /* verified */
        char subject[NBD_PEER_NAME_SIZE_MAX]; /* RFC 4514: "CN=alice,O=Example" */
        uint8_t fingerprint[NBD_FINGERPRINT_SIZE];
        char psk_identity[NBD_PEER_NAME_SIZE_MAX]; /* "": none */
} NbdPeer;

/* What the kernel knows of a connected socket. -errno (-E2BIG: of more groups than there is room
 * for): then nobody is to be served there. */
int nbd_peer_init(NbdPeer *client, int fd);
/* Who TLS says that it is, in the words of access lists: "certificate CN=alice,O=Example", "psk alice",
 * or, of a certificate without a subject, "fingerprint sha256:..."; "": nothing. Any characters. */
void nbd_peer_format_identity(const NbdPeer *client, char ret[static NBD_IDENTITY_SIZE]);
