/* By libnl, whose own error codes are coarser than the kernel's: those are taken from its answers. */

#include "cli/nbd_netlink.h"

#include <errno.h>
#include <linux/nbd-netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>

#define DEATHS_MAX 64 /* kept between two looks */

struct NbdNetlink {
        struct nl_sock *commands; /* owned */
        struct nl_sock *events;   /* owned */
        int family;
        uint32_t deaths[DEATHS_MAX];
        size_t n_deaths;
};

/* What is being waited for. */
typedef struct Answer {
        bool is_complete;
        int error;      /* the kernel's -errno */
        uint32_t index; /* if it tells one */
} Answer;

static int errno_of(int r) {
        switch (-r) {
        case NLE_NOMEM:
                return -ENOMEM;
        case NLE_OBJ_NOTFOUND:
                return -ENOENT;
        case NLE_PERM:
                return -EPERM;
        case NLE_AGAIN:
                return -EAGAIN;
        default: /* libnl's, not an enum of ours */
                return -EIO;
        }
}

static bool read_index(struct nl_msg *message, uint32_t *ret) {
        struct nlattr *attributes[NBD_ATTR_MAX + 1];

        if (genlmsg_parse(nlmsg_hdr(message), 0, attributes, NBD_ATTR_MAX, NULL) < 0 ||
            !attributes[NBD_ATTR_INDEX] ||
            nla_len(attributes[NBD_ATTR_INDEX]) < (int) sizeof(uint32_t))
                return false;
        *ret = nla_get_u32(attributes[NBD_ATTR_INDEX]);
        return true;
}

static int on_answer(struct nl_msg *message, void *userdata) {
        Answer *answer = userdata;

        (void) read_index(message, &answer->index);
        return NL_OK;
}

static int on_ack(struct nl_msg *message, void *userdata) {
        Answer *answer = userdata;

        answer->is_complete = true;
        return NL_STOP;
}

static int on_error(struct sockaddr_nl *address, struct nlmsgerr *error, void *userdata) {
        Answer *answer = userdata;

        answer->is_complete = true;
        answer->error = error->error;
        return NL_STOP;
}

static int on_event(struct nl_msg *message, void *userdata) {
        struct genlmsghdr *header = nlmsg_data(nlmsg_hdr(message));
        NbdNetlink *netlink = userdata;
        uint32_t index;

        if (header->cmd != NBD_CMD_LINK_DEAD || !read_index(message, &index))
                return NL_OK;
        if (netlink->n_deaths == DEATHS_MAX) /* who reads them looks at all then */
                netlink->deaths[DEATHS_MAX - 1] = NBD_NETLINK_INDEX_ANY;
        else
                netlink->deaths[netlink->n_deaths++] = index;
        return NL_OK;
}

static int open_events(NbdNetlink *netlink) {
        int group, r;

        r = genl_connect(netlink->events);
        if (r < 0)
                return errno_of(r);
        group = genl_ctrl_resolve_grp(netlink->events, NBD_GENL_FAMILY_NAME,
                                      NBD_GENL_MCAST_GROUP_NAME);
        if (group < 0)
                return errno_of(group);
        nl_socket_disable_seq_check(netlink->events);
        (void) nl_socket_modify_cb(netlink->events, NL_CB_VALID, NL_CB_CUSTOM, on_event, netlink);
        r = nl_socket_add_membership(netlink->events, group);
        if (r >= 0)
                r = nl_socket_set_nonblocking(netlink->events);
        return r < 0 ? errno_of(r) : 0;
}

int nbd_netlink_new(NbdNetlink **ret) {
        _cleanup_(nbd_netlink_freep) NbdNetlink *netlink = calloc(1, sizeof(*netlink));
        int r;

        if (!netlink)
                return -ENOMEM;
        netlink->commands = nl_socket_alloc();
        netlink->events = nl_socket_alloc();
        if (!netlink->commands || !netlink->events)
                return -ENOMEM;
        r = genl_connect(netlink->commands);
        if (r < 0)
                return errno_of(r);
        netlink->family = genl_ctrl_resolve(netlink->commands, NBD_GENL_FAMILY_NAME);
        if (netlink->family < 0)
                return errno_of(netlink->family);
        r = open_events(netlink);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(netlink);
        return 0;
}

NbdNetlink *nbd_netlink_free(NbdNetlink *netlink) {
        if (!netlink)
                return NULL;
        nl_socket_free(netlink->commands);
        nl_socket_free(netlink->events);
        free(netlink);
        return NULL;
}

static struct nl_msg *new_message(const NbdNetlink *netlink, uint8_t command) {
        struct nl_msg *message = nlmsg_alloc();

        if (message && !genlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, netlink->family, 0,
                                    NLM_F_REQUEST | NLM_F_ACK, command, NBD_GENL_VERSION)) {
                nlmsg_free(message);
                return NULL;
        }
        return message;
}

static int put_socket(struct nl_msg *message, int fd) {
        struct nlattr *sockets, *item;
        int r;

        sockets = nla_nest_start(message, NBD_ATTR_SOCKETS);
        item = sockets ? nla_nest_start(message, NBD_SOCK_ITEM) : NULL;
        if (!item)
                return -NLE_NOMEM;
        r = nla_put_u32(message, NBD_SOCK_FD, (uint32_t) fd);
        if (r < 0)
                return r;
        (void) nla_nest_end(message, item);
        (void) nla_nest_end(message, sockets);
        return 0;
}

/* Takes the message. */
static int send_message(NbdNetlink *netlink, struct nl_msg *message, Answer *answer) {
        struct nl_cb *callbacks = nl_cb_alloc(NL_CB_DEFAULT);
        int r = callbacks ? 0 : -NLE_NOMEM;

        if (r == 0) {
                (void) nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, on_answer, answer);
                (void) nl_cb_set(callbacks, NL_CB_ACK, NL_CB_CUSTOM, on_ack, answer);
                (void) nl_cb_err(callbacks, NL_CB_CUSTOM, on_error, answer);
                r = nl_send_auto(netlink->commands, message);
        }
        while (r >= 0 && !answer->is_complete)
                r = nl_recvmsgs(netlink->commands, callbacks);
        nl_cb_put(callbacks);
        nlmsg_free(message);
        if (answer->is_complete)
                return answer->error;
        return errno_of(r);
}

static int put_device(struct nl_msg *message, const NbdNetlinkDevice *device) {
        int r = 0;

        if (device->index != NBD_NETLINK_INDEX_ANY)
                r |= nla_put_u32(message, NBD_ATTR_INDEX, device->index);
        r |= nla_put_u64(message, NBD_ATTR_SIZE_BYTES, device->size);
        r |= nla_put_u64(message, NBD_ATTR_BLOCK_SIZE_BYTES, device->block_size);
        r |= nla_put_u64(message, NBD_ATTR_SERVER_FLAGS, device->flags);
        r |= nla_put_u64(message, NBD_ATTR_TIMEOUT, device->request_timeout_s);
        r |= nla_put_u64(message, NBD_ATTR_DEAD_CONN_TIMEOUT, device->dead_timeout_s);
        r |= nla_put_string(message, NBD_ATTR_BACKEND_IDENTIFIER, device->identifier);
        return r;
}

int nbd_netlink_connect(NbdNetlink *netlink, const NbdNetlinkDevice *device, int fd,
                        uint32_t *ret_index) {
        struct nl_msg *message = new_message(netlink, NBD_CMD_CONNECT);
        Answer answer = { .index = device->index };
        int r;

        if (!message || put_device(message, device) != 0 || put_socket(message, fd) < 0) {
                nlmsg_free(message);
                return -ENOMEM;
        }
        r = send_message(netlink, message, &answer);
        if (r < 0)
                return r;
        *ret_index = answer.index;
        return 0;
}

int nbd_netlink_reconnect(NbdNetlink *netlink, uint32_t index, const char *identifier, int fd) {
        struct nl_msg *message = new_message(netlink, NBD_CMD_RECONFIGURE);
        Answer answer = {};

        if (!message || nla_put_u32(message, NBD_ATTR_INDEX, index) < 0 ||
            nla_put_string(message, NBD_ATTR_BACKEND_IDENTIFIER, identifier) < 0 ||
            put_socket(message, fd) < 0) {
                nlmsg_free(message);
                return -ENOMEM;
        }
        return send_message(netlink, message, &answer);
}

int nbd_netlink_disconnect(NbdNetlink *netlink, uint32_t index) {
        struct nl_msg *message = new_message(netlink, NBD_CMD_DISCONNECT);
        Answer answer = {};

        if (!message || nla_put_u32(message, NBD_ATTR_INDEX, index) < 0) {
                nlmsg_free(message);
                return -ENOMEM;
        }
        return send_message(netlink, message, &answer);
}

int nbd_netlink_get_fd(const NbdNetlink *netlink) { return nl_socket_get_fd(netlink->events); }

bool nbd_netlink_read_dead(NbdNetlink *netlink, uint32_t *ret_index) {
        if (netlink->n_deaths == 0 && nl_recvmsgs_default(netlink->events) == -NLE_NOMEM) {
                *ret_index = NBD_NETLINK_INDEX_ANY; /* ENOBUFS: its queue was too short */
                return true;
        }
        if (netlink->n_deaths == 0)
                return false;
        *ret_index = netlink->deaths[--netlink->n_deaths];
        return true;
}
