/* IN paths · OUT bytes · OWNS nothing · THREADS any · SOURCE audit.md 2.5 (tmp, write, fsync,
 * rename, fsync dir)
 *
 * Files. Errors name the path and the reason. */
#ifndef ENT_COMMON_BASE_FILE_H
#define ENT_COMMON_BASE_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/* "cannot DOING PATH: " and what errno says, at once after the call that failed. NOT_FOUND (ENOENT), IO. */
enum ent_err ent_io_error(const char *doing, const char *path);

/* A file for reading and writing in TMPDIR (or /tmp) that nobody else can open and that has no name any more: it is gone
 * with its descriptor, however the program ends. CONFIG, IO. */
ENT_MUST enum ent_err ent_file_unnamed(int *fd);
/* Whole file into `out` (appended; LIMIT beyond its maximum). NOT_FOUND, IO. */
ENT_MUST enum ent_err ent_file_read(const char *path, struct ent_buf *out);
ENT_MUST enum ent_err ent_file_read_in(const char *dir, const char *name, struct ent_buf *out);
/* Old or new content, never a mixture: temporary file in the same directory, fsync, rename, fsync
 * of the directory. */
ENT_MUST enum ent_err ent_file_write_atomic(const char *path, const void *bytes, size_t len,
                                            mode_t mode);
/* The same, but EXISTS when the file is there. */
ENT_MUST enum ent_err ent_file_write_new(const char *path, const void *bytes, size_t len,
                                         mode_t mode);
/* For content written piece by piece: opens PATH's temporary name (returned in tmp, caller frees),
 * then commit: fsync, rename, fsync of the directory. On error or discard the temporary file is
 * gone. fd is closed by both. */
ENT_MUST enum ent_err ent_file_begin(const char *path, mode_t mode, char **tmp, int *fd);
ENT_MUST enum ent_err ent_file_commit(const char *path, char *tmp_take, int fd);
void ent_file_discard(char *tmp_take, int fd);
/* All len bytes or an error. */
ENT_MUST enum ent_err ent_fd_write(int fd, const void *bytes, size_t len);
ENT_MUST enum ent_err ent_fd_read(int fd, void *bytes, size_t len,
                                  size_t *n_read); /* short only at the end */
ENT_MUST enum ent_err ent_fd_sync(int fd, const char *what);
ENT_MUST enum ent_err ent_dir_sync(const char *dir);
/* The directory that `path` stands in; slashes behind it do not count. */
ENT_MUST enum ent_err ent_parent_sync(const char *path);
/* mkdir (0700) with parents; fine if it is there. */
ENT_MUST enum ent_err ent_dir_make(const char *dir);
bool ent_file_exists(const char *path);
ENT_MUST enum ent_err ent_file_remove(const char *path); /* fine if it is not there */
ENT_MUST enum ent_err ent_file_size(const char *path, uint64_t *out);
/* "a/b" in a fresh string; caller frees. */
ENT_MUST enum ent_err ent_path_join(const char *dir, const char *name, char **out);
/* PERMISSION when group or others can read it: secrets are 0600. */
ENT_MUST enum ent_err ent_file_check_private(const char *path);
/* The same of an open file, which nobody can exchange any more; also when it belongs to another user. *size: its bytes. */
ENT_MUST enum ent_err ent_fd_check_private(int fd, const char *path, uint64_t *size);
/* An exclusive lock on DIR/lock held until the returned fd is closed. BUSY (names the holder's pid)
 * if taken. */
ENT_MUST enum ent_err ent_dir_lock(const char *dir, int *fd);

#endif
