/* SO_PEERCRED and SO_PEERGROUPS: who the process was when it connected. */

#include "negotiation/nbd_peer.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

static void add_group(NbdPeer *client, gid_t id) {
        if (client->n_group_ids < N_ELEMENTS(client->group_ids))
                client->group_ids[client->n_group_ids++] = (uint32_t) id;
}

/* A group that is not known could be one that a rule keeps out. */
static int add_supplementary(NbdPeer *client, int fd) {
        gid_t ids[NBD_PEER_GROUPS_MAX - 1];
        socklen_t size = sizeof(ids);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, ids, &size) < 0)
                return errno == ERANGE ? -E2BIG : -errno;
        for (size_t i = 0; i < size / sizeof(ids[0]); i++)
                add_group(client, ids[i]);
        return 0;
}

int nbd_peer_init(NbdPeer *client, int fd) {
        struct ucred credentials;
        socklen_t size;
        int domain;

        assert(client);
        assert(fd >= 0);

        *client = (NbdPeer){ 0 };
        size = sizeof(domain);
        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
                return -errno;
        if (domain != AF_UNIX) {
                client->is_tcp = true;
                return 0;
        }

        size = sizeof(credentials);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                return -errno;
        client->has_user = true;
        client->user_id = (uint32_t) credentials.uid;
        add_group(client, credentials.gid);
        return add_supplementary(client, fd);
}

static void format_fingerprint(const NbdPeer *client, char ret[static NBD_IDENTITY_SIZE]) {
        size_t length = (size_t) snprintf(ret, NBD_IDENTITY_SIZE, "fingerprint sha256:");

        for (size_t i = 0; i < N_ELEMENTS(client->fingerprint); i++)
                length += (size_t) snprintf(ret + length, NBD_IDENTITY_SIZE - length, "%02x",
                                            client->fingerprint[i]);
}

void nbd_peer_format_identity(const NbdPeer *client, char ret[static NBD_IDENTITY_SIZE]) {
        ret[0] = '\0';
        if (client->psk_identity[0] != '\0')
                snprintf(ret, NBD_IDENTITY_SIZE, "psk %s", client->psk_identity);
        else if (client->has_certificate && client->subject[0] != '\0')
                snprintf(ret, NBD_IDENTITY_SIZE, "certificate %s", client->subject);
        else if (client->has_certificate)
                format_fingerprint(client, ret);
}
