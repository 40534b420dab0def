#pragma once

/*
 * NbdAccess
 *
 * Which client may see and open which exports: a list of rules, the first that matches decides. A
 * client that no rule matches may open everything as long as no rule is about clients of its kind
 * (those of unix sockets, those over TCP), and nothing from the first such rule on.
 */

#include "negotiation/nbd_peer.h"

#define NBD_ACCESS_RULES_MAX 256
#define NBD_ACCESS_GLOB_SIZE_MAX 128

typedef enum NbdAccessGrant {
        NBD_ACCESS_GRANT_DENY,
        NBD_ACCESS_GRANT_READ_ONLY,
        NBD_ACCESS_GRANT_FULL,
        _NBD_ACCESS_GRANT_MAX,
} NbdAccessGrant;

typedef enum NbdAccessWho {
        NBD_ACCESS_WHO_EVERYONE,
        NBD_ACCESS_WHO_UNIX,        /* all of unix sockets */
        NBD_ACCESS_WHO_USER,        /* .id */
        NBD_ACCESS_WHO_GROUP,       /* .id */
        NBD_ACCESS_WHO_TCP,         /* all over TCP */
        NBD_ACCESS_WHO_TLS,         /* all that TLS has told who they are */
        NBD_ACCESS_WHO_CERTIFICATE, /* .name: parts of a subject that must all be there */
        NBD_ACCESS_WHO_FINGERPRINT, /* .fingerprint */
        NBD_ACCESS_WHO_PSK,         /* .name */
        _NBD_ACCESS_WHO_MAX,
} NbdAccessWho;

typedef struct NbdAccessRule {
        uint32_t grant;                         /* NbdAccessGrant */
        uint32_t who;                           /* NbdAccessWho */
        uint32_t id;                            /* of a user or group */
        char exports[NBD_ACCESS_GLOB_SIZE_MAX]; /* a glob */
        char name[NBD_PEER_NAME_SIZE_MAX];
        uint8_t fingerprint[NBD_FINGERPRINT_SIZE];
} NbdAccessRule;

typedef struct NbdAccessList {
        NbdAccessRule *rules; /* owned array */
        size_t n_rules;
} NbdAccessList;

/* Harmless on a zeroed list; leaves such a one. */
void nbd_access_list_done(NbdAccessList *list);
/* -ENOSPC: NBD_ACCESS_RULES_MAX, -EINVAL: it makes no sense, -ENOMEM. */
int nbd_access_list_add(NbdAccessList *list, const NbdAccessRule *rule);
bool nbd_access_list_is_equal(const NbdAccessList *a, const NbdAccessList *b);
/* Whether some export may be open only to clients that TLS has told who they are. */
bool nbd_access_list_needs_tls(const NbdAccessList *list);
NbdAccessGrant nbd_access_list_decide(const NbdAccessList *list, const NbdPeer *client,
                                      const char *export_name);
/* Whether it can be (a part of) what TLS says of a certificate, as "CN=alice,O=Example". */
bool nbd_access_is_subject(const char *text);
/* Whether it can be used: known kinds, terminated strings, what its kind needs. */
bool nbd_access_rule_is_valid(const NbdAccessRule *rule);
