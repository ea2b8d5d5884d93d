/*
 * catalog.c - databases and policies: looking up and changing; see catalog.h.
 *
 * Arrays are sorted by id and grow at the end only, since ids ascend.
 */
#include "store/catalog.h"

#include "base/mem.h"
#include "base/status.h"
#include "calendar/partition.h"
#include "store/catalog_internal.h"

#include <assert.h>
#include <inttypes.h>

/* ---- looking up, a lock held ---- */

struct database_info *catalog_database_at(struct catalog *catalog, uint32_t id)
{
    for (size_t i = 0; i < catalog->database_count; i++) {
        if (catalog->databases[i].id == id) return &catalog->databases[i];
    }
    return NULL;
}

struct policy *catalog_policy_at(struct catalog *catalog, uint32_t id)
{
    for (size_t i = 0; i < catalog->policy_count; i++) {
        if (catalog->policies[i].info.id == id) return &catalog->policies[i];
    }
    return NULL;
}

struct database_info *catalog_database_named(struct catalog *catalog, struct phusa_text name)
{
    for (size_t i = 0; i < catalog->database_count; i++) {
        if (text_equal(text_of(catalog->databases[i].name), name)) return &catalog->databases[i];
    }
    return NULL;
}

struct policy *catalog_policy_named(struct catalog *catalog, uint32_t database,
                                    struct phusa_text name)
{
    for (size_t i = 0; i < catalog->policy_count; i++) {
        struct policy *policy = &catalog->policies[i];
        if (policy->info.database == database && text_equal(text_of(policy->info.name), name))
            return policy;
    }
    return NULL;
}

/* ---- looking up ---- */

static bool copy_database(const struct database_info *found, struct database_info *out)
{
    if (found != NULL && out != NULL) *out = *found;
    return found != NULL;
}

bool catalog_find_database(struct catalog *catalog, struct phusa_text name,
                           struct database_info *out)
{
    pthread_mutex_lock(&catalog->mutex);
    const bool found = copy_database(catalog_database_named(catalog, name), out);
    pthread_mutex_unlock(&catalog->mutex);
    return found;
}

bool catalog_get_database(struct catalog *catalog, uint32_t id, struct database_info *out)
{
    pthread_mutex_lock(&catalog->mutex);
    const bool found = copy_database(catalog_database_at(catalog, id), out);
    pthread_mutex_unlock(&catalog->mutex);
    return found;
}

static bool copy_policy(const struct policy *found, struct policy_info *out)
{
    if (found != NULL && out != NULL) *out = found->info;
    return found != NULL;
}

bool catalog_find_policy(struct catalog *catalog, uint32_t database, struct phusa_text name,
                         struct policy_info *out)
{
    pthread_mutex_lock(&catalog->mutex);
    const bool found = copy_policy(catalog_policy_named(catalog, database, name), out);
    pthread_mutex_unlock(&catalog->mutex);
    return found;
}

bool catalog_get_policy(struct catalog *catalog, uint32_t id, struct policy_info *out)
{
    pthread_mutex_lock(&catalog->mutex);
    const bool found = copy_policy(catalog_policy_at(catalog, id), out);
    pthread_mutex_unlock(&catalog->mutex);
    return found;
}

phusa_status catalog_databases(struct catalog *catalog, struct database_info **out, size_t *count)
{
    pthread_mutex_lock(&catalog->mutex);
    struct database_info *copy = mem_array(catalog->database_count, sizeof *copy);
    if (copy != NULL) {
        for (size_t i = 0; i < catalog->database_count; i++)
            copy[i] = catalog->databases[i];
        *out = copy;
        *count = catalog->database_count;
    }
    pthread_mutex_unlock(&catalog->mutex);
    return copy != NULL ? PHUSA_OK : PHUSA_ENOMEM;
}

phusa_status catalog_policies(struct catalog *catalog, uint32_t database, struct policy_info **out,
                              size_t *count)
{
    pthread_mutex_lock(&catalog->mutex);
    struct policy_info *copy = mem_array(catalog->policy_count, sizeof *copy);
    if (copy != NULL) {
        size_t n = 0;
        for (size_t i = 0; i < catalog->policy_count; i++) {
            if (catalog->policies[i].info.database == database)
                copy[n++] = catalog->policies[i].info;
        }
        *out = copy;
        *count = n;
    }
    pthread_mutex_unlock(&catalog->mutex);
    return copy != NULL ? PHUSA_OK : PHUSA_ENOMEM;
}

/* ---- checking what is asked for ---- */

static phusa_status check_name(const char *what, const char *name, struct phusa_error *error)
{
    const size_t size_bytes = strnlen(name, NAME_BYTES_MAX + 1);
    if (size_bytes == 0) return error_set(error, PHUSA_EINVAL, "the %s needs a name", what);
    if (size_bytes > NAME_BYTES_MAX)
        return error_set(error, PHUSA_EINVAL, "the name of a %s has at most %u bytes", what,
                         NAME_BYTES_MAX);
    return PHUSA_OK;
}

static phusa_status check_policy(const struct policy_info *policy, struct phusa_error *error)
{
    const phusa_status status = check_name("policy", policy->name, error);
    if (status != PHUSA_OK) return status;
    if (partition_width_check(policy->shard) != PHUSA_OK)
        return error_set(error, PHUSA_EINVAL,
                         "the shard duration of policy '%s' must lie between one hour and 10,000 "
                         "years, in months or in anything shorter",
                         policy->name);
    return PHUSA_OK;
}

/* ---- changing ---- */

/* Room for one more of each; whoever reads may not look meanwhile. */
static bool make_room(struct catalog *catalog)
{
    pthread_mutex_lock(&catalog->mutex);
    const bool ok =
        MEM_GROW(catalog->databases, catalog->database_capacity, catalog->database_count + 1) &&
        MEM_GROW(catalog->policies, catalog->policy_capacity, catalog->policy_count + 1);
    pthread_mutex_unlock(&catalog->mutex);
    return ok;
}

/* The array has room. */
static void show_policy(struct catalog *catalog, const struct policy_info *info,
                        struct file_set *set)
{
    catalog->policies[catalog->policy_count++] = (struct policy){.info = *info, .set = set};
}

static phusa_status no_memory(struct phusa_error *error)
{
    return error_set(error, PHUSA_ENOMEM, "no memory to change the catalogue");
}

phusa_status catalog_create_database(struct catalog *catalog, const char *name, const char *zone,
                                     const struct policy_info *policy, struct database_info *out,
                                     struct phusa_error *error)
{
    assert(name != NULL && zone != NULL && policy != NULL);

    phusa_status status = check_name("database", name, error);
    if (status == PHUSA_OK) status = check_name("time zone", zone, error);
    if (status == PHUSA_OK) status = check_policy(policy, error);
    if (status != PHUSA_OK) return status;
    struct change change;
    status = change_begin(&change, catalog, 2, error);
    if (status != PHUSA_OK) return status;

    struct file_set *set = NULL;
    if (catalog_database_named(catalog, text_of(name)) != NULL) {
        status = error_set(error, PHUSA_EEXISTS, "database '%s' exists already", name);
        goto out;
    }
    struct database_info database = {.id = change.state.next_database++,
                                     .default_policy = change.state.next_policy++,
                                     .index_generation = 1};
    memcpy(database.name, name, strlen(name) + 1);
    memcpy(database.zone, zone, strlen(zone) + 1);
    struct policy_info first = *policy;
    first.id = database.default_policy;
    first.database = database.id;
    change_put_database(&change, &database);
    change_put_policy(&change, &first);
    set = file_set_create(catalog->files, env_txn_id(change.txn), NULL, 0);
    status = set != NULL && make_room(catalog) ? change_commit(&change) : no_memory(error);
    if (status != PHUSA_OK) goto out;

    pthread_mutex_lock(&catalog->mutex);
    catalog->databases[catalog->database_count++] = database;
    show_policy(catalog, &first, set);
    pthread_mutex_unlock(&catalog->mutex);
    set = NULL;
    if (out != NULL) *out = database;
out:
    change_end(&change);
    if (set != NULL) file_set_retire(set);
    return status;
}

/* Change one database's record. */
static phusa_status replace_database(struct change *change, const struct database_info *info)
{
    change_put_database(change, info);
    const phusa_status status = change_commit(change);
    if (status != PHUSA_OK) return status;
    pthread_mutex_lock(&change->catalog->mutex);
    *catalog_database_at(change->catalog, info->id) = *info;
    pthread_mutex_unlock(&change->catalog->mutex);
    return PHUSA_OK;
}

static phusa_status no_database(uint32_t id, struct phusa_error *error)
{
    return error_set(error, PHUSA_ENOTFOUND, "there is no database number %" PRIu32, id);
}

static phusa_status no_policy(uint32_t id, struct phusa_error *error)
{
    return error_set(error, PHUSA_ENOTFOUND, "there is no policy number %" PRIu32, id);
}

phusa_status catalog_set_zone(struct catalog *catalog, uint32_t database, const char *zone,
                              struct phusa_error *error)
{
    phusa_status status = check_name("time zone", zone, error);
    if (status != PHUSA_OK) return status;
    struct change change;
    status = change_begin(&change, catalog, 1, error);
    if (status != PHUSA_OK) return status;
    const struct database_info *found = catalog_database_at(catalog, database);
    if (found == NULL) {
        status = no_database(database, error);
    } else {
        struct database_info next = *found;
        memset(next.zone, 0, sizeof next.zone);
        memcpy(next.zone, zone, strlen(zone) + 1);
        status = replace_database(&change, &next);
    }
    change_end(&change);
    return status;
}

phusa_status catalog_set_index_generation(struct catalog *catalog, uint32_t database,
                                          uint32_t generation, struct phusa_error *error)
{
    struct change change;
    phusa_status status = change_begin(&change, catalog, 1, error);
    if (status != PHUSA_OK) return status;
    const struct database_info *found = catalog_database_at(catalog, database);
    if (found == NULL) {
        status = no_database(database, error);
    } else {
        struct database_info next = *found;
        next.index_generation = generation;
        status = replace_database(&change, &next);
    }
    change_end(&change);
    return status;
}

phusa_status catalog_create_policy(struct catalog *catalog, const struct policy_info *policy,
                                   bool make_default, uint32_t *id, struct phusa_error *error)
{
    assert(policy != NULL);

    phusa_status status = check_policy(policy, error);
    if (status != PHUSA_OK) return status;
    struct change change;
    status = change_begin(&change, catalog, 2, error);
    if (status != PHUSA_OK) return status;

    struct file_set *set = NULL;
    struct database_info *database = catalog_database_at(catalog, policy->database);
    if (database == NULL) {
        status = no_database(policy->database, error);
        goto out;
    }
    if (catalog_policy_named(catalog, database->id, text_of(policy->name)) != NULL) {
        status = error_set(error, PHUSA_EEXISTS, "policy '%s' exists already", policy->name);
        goto out;
    }
    struct policy_info next = *policy;
    next.id = change.state.next_policy++;
    struct database_info owner = *database;
    owner.default_policy = make_default ? next.id : owner.default_policy;
    change_put_policy(&change, &next);
    change_put_database(&change, &owner);
    set = file_set_create(catalog->files, env_txn_id(change.txn), NULL, 0);
    status = set != NULL && make_room(catalog) ? change_commit(&change) : no_memory(error);
    if (status != PHUSA_OK) goto out;

    pthread_mutex_lock(&catalog->mutex);
    *catalog_database_at(catalog, owner.id) = owner;
    show_policy(catalog, &next, set);
    pthread_mutex_unlock(&catalog->mutex);
    set = NULL;
    if (id != NULL) *id = next.id;
out:
    change_end(&change);
    if (set != NULL) file_set_retire(set);
    return status;
}

static bool same_interval(struct phusa_interval a, struct phusa_interval b)
{
    return a.months == b.months && a.ns == b.ns;
}

phusa_status catalog_alter_policy(struct catalog *catalog, const struct policy_info *policy,
                                  bool make_default, struct phusa_error *error)
{
    assert(policy != NULL);

    struct change change;
    phusa_status status = change_begin(&change, catalog, 2, error);
    if (status != PHUSA_OK) return status;
    const struct policy *found = catalog_policy_at(catalog, policy->id);
    if (found == NULL) {
        status = no_policy(policy->id, error);
        goto out;
    }
    struct policy_info next = found->info;
    if (!same_interval(next.shard, policy->shard) || strcmp(next.name, policy->name) != 0) {
        status = error_set(error, PHUSA_EUNSUPPORTED,
                           "of policy '%s' only the duration and the default can change: create "
                           "another policy for another name or shard duration",
                           next.name);
        goto out;
    }
    next.duration = policy->duration;
    struct database_info owner = *catalog_database_at(catalog, next.database);
    owner.default_policy = make_default ? next.id : owner.default_policy;
    change_put_policy(&change, &next);
    change_put_database(&change, &owner);
    status = change_commit(&change);
    if (status != PHUSA_OK) goto out;
    pthread_mutex_lock(&catalog->mutex);
    catalog_policy_at(catalog, next.id)->info = next;
    *catalog_database_at(catalog, owner.id) = owner;
    pthread_mutex_unlock(&catalog->mutex);
out:
    change_end(&change);
    return status;
}

/* ---- dropping ---- */

static void delete_policy(struct change *change, const struct policy *policy)
{
    for (size_t i = 0; i < policy->set->file_count; i++) {
        const struct file_info *info = &policy->set->files[i]->info;
        change_delete(change, catalog_key_of_file(info->policy, info->number));
    }
    change_delete(change, catalog_key_of_policy(policy->info.id));
}

/* Take policies of the array that are of `database`, or the one with this id, out of it. Their sets
 * are retired when the mutex is free again: the last one unlinks files. */
static void hide_policies(struct catalog *catalog, uint32_t database, uint32_t id)
{
    for (size_t i = 0; i < catalog->policy_count;) {
        struct policy *policy = &catalog->policies[i];
        if (policy->info.database != database && policy->info.id != id) {
            i++;
            continue;
        }
        struct file_set *set = policy->set;
        pthread_mutex_lock(&catalog->mutex);
        memmove(policy, policy + 1, (--catalog->policy_count - i) * sizeof *policy);
        pthread_mutex_unlock(&catalog->mutex);
        for (size_t f = 0; f < set->file_count; f++)
            file_drop(set->files[f]);
        file_set_retire(set);
    }
}

phusa_status catalog_drop_database(struct catalog *catalog, uint32_t database,
                                   struct phusa_error *error)
{
    struct change change;
    phusa_status status = change_begin(&change, catalog, 0, error);
    if (status != PHUSA_OK) return status;
    struct database_info *found = catalog_database_at(catalog, database);
    if (found == NULL) {
        status = no_database(database, error);
        goto out;
    }
    for (size_t i = 0; i < catalog->policy_count; i++) {
        if (catalog->policies[i].info.database == database)
            delete_policy(&change, &catalog->policies[i]);
    }
    change_delete(&change, catalog_key_of_database(database));
    status = change_commit(&change);
    if (status != PHUSA_OK) goto out;

    pthread_mutex_lock(&catalog->mutex);
    const size_t after = catalog->database_count - (size_t)(found - catalog->databases) - 1;
    memmove(found, found + 1, after * sizeof *found);
    catalog->database_count--;
    pthread_mutex_unlock(&catalog->mutex);
    hide_policies(catalog, database, 0);
out:
    change_end(&change);
    return status;
}

phusa_status catalog_drop_policy(struct catalog *catalog, uint32_t policy,
                                 struct phusa_error *error)
{
    struct change change;
    phusa_status status = change_begin(&change, catalog, 0, error);
    if (status != PHUSA_OK) return status;
    const struct policy *found = catalog_policy_at(catalog, policy);
    if (found == NULL) {
        status = no_policy(policy, error);
        goto out;
    }
    struct database_info owner = *catalog_database_at(catalog, found->info.database);
    delete_policy(&change, found);
    if (owner.default_policy == policy) owner.default_policy = 0; /* as in InfluxDB: none */
    change_put_database(&change, &owner);
    status = change_commit(&change);
    if (status != PHUSA_OK) goto out;
    pthread_mutex_lock(&catalog->mutex);
    *catalog_database_at(catalog, owner.id) = owner;
    pthread_mutex_unlock(&catalog->mutex);
    hide_policies(catalog, 0, policy);
out:
    change_end(&change);
    return status;
}
