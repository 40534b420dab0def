/* A list of commands that nobody uses; the one used last is taken first. */

#include <errno.h>

#include "scsi/scsi_command_pool.h"

struct ScsiCommandPool {
        ListNode kept; /* owned ScsiCommand::node */
        size_t n_kept;
        size_t n_kept_max;
        size_t n_used;
        ScsiCommandPoolStatistics statistics;
};

int scsi_command_pool_new(ScsiCommandPool **ret, size_t n_kept_max) {
        ScsiCommandPool *pool;

        assert(n_kept_max <= SCSI_COMMAND_POOL_KEPT_MAX);

        pool = calloc(1, sizeof(*pool));
        if (!pool)
                return -ENOMEM;
        list_init(&pool->kept);
        pool->n_kept_max = n_kept_max;

        *ret = pool;
        return 0;
}

void scsi_command_pool_set_kept_max(ScsiCommandPool *pool, size_t n_kept_max) {
        assert(n_kept_max <= SCSI_COMMAND_POOL_KEPT_MAX);

        pool->n_kept_max = n_kept_max;
        for (; pool->n_kept > n_kept_max; pool->n_kept--)
                free(list_entry(list_take_first(&pool->kept), ScsiCommand, node));
}

ScsiCommandPool *scsi_command_pool_free(ScsiCommandPool *pool) {
        ListNode *node;

        if (!pool)
                return NULL;

        assert(pool->n_used == 0);

        while ((node = list_take_first(&pool->kept)))
                free(list_entry(node, ScsiCommand, node));
        free(pool);
        return NULL;
}

ScsiCommand *scsi_command_pool_get(ScsiCommandPool *pool) {
        ListNode *node = list_take_first(&pool->kept);
        ScsiCommand *command;

        if (node) {
                pool->n_kept--;
                pool->n_used++;
                pool->statistics.n_hits++;
                return list_entry(node, ScsiCommand, node);
        }

        command = malloc(sizeof(*command));
        if (!command)
                return NULL;
        scsi_command_init(command, 0, 0);
        pool->n_used++;
        pool->statistics.n_misses++;
        return command;
}

void scsi_command_pool_put(ScsiCommandPool *pool, ScsiCommand *command) {
        assert(pool->n_used > 0);
        assert(list_is_empty(&command->node));

        pool->n_used--;
        if (pool->n_kept == pool->n_kept_max) {
                free(command);
                return;
        }
        /* Its lines are still in the processor's cache. */
        list_prepend(&pool->kept, &command->node);
        pool->n_kept++;
}

const ScsiCommandPoolStatistics *scsi_command_pool_get_statistics(const ScsiCommandPool *pool) {
        return &pool->statistics;
}
