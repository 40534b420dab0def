/*
 * EventFd
 *
 * The common half of watching a descriptor; the waiting is the loop's.
 */

#include "base/event_loop.h"

int event_fd_add(EventFd *watch, EventLoop *loop, int fd, uint32_t events, EventFdHandler handler) {
        int r;

        assert(loop);
        assert(fd >= 0);
        assert(handler);

        *watch = (EventFd){ .loop = loop, .handler = handler, .fd = fd, .events = events };
        list_init(&watch->node);

        r = loop->ops->fd_add(loop, watch);
        if (r < 0) {
                watch->loop = NULL;
                return r;
        }
        list_append(&loop->fds, &watch->node);
        return 0;
}

void event_fd_set_events(EventFd *watch, uint32_t events) {
        assert(watch->loop);

        if (watch->events == events)
                return;
        watch->events = events;
        watch->loop->ops->fd_update(watch->loop, watch);
}

void event_fd_remove(EventFd *watch) {
        if (!watch->loop)
                return;

        watch->loop->ops->fd_remove(watch->loop, watch);
        list_unlink(&watch->node);
        watch->loop = NULL;
}
