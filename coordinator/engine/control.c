#include "coordinator/engine/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "coordinator/engine/sysfail.h"

#define PEER_TIMEOUT_S 5 /* an operator's program that stands still must not hold the others up */
#define REPLY_SECRET_BYTES 4096 /* an invitation, whose token must not stay in memory, fits */
#define ANSWER_TIMEOUT_S 600    /* the engine may be in the middle of a large sum */

/* Answered to a request that was not carried out because serve ends: the asker tries again, with the lock or the next serve. */
static const char ending[] = "{\"ending\":true}";

struct ent_control {
    ent_control_handler handler;
    void *ctx;
    char *path;
    int fd;
    int stop[2]; /* a pipe: closing its writing end ends the thread */
    pthread_t thread;
    bool running;
    bool ended; /* the thread's own */
};

/* sun_path holds 108 bytes. */
static enum ent_err address_of(const char *path, struct sockaddr_un *out)
{
    ENT_REQUIRE(strlen(path) < sizeof out->sun_path, ENT_E_LIMIT,
                "%s: the path of a socket may have %zu bytes at most; use a shorter --dir (or "
                "change into it)",
                path, sizeof out->sun_path - 1);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out->sun_path, path, strlen(path) + 1);
    return ENT_E_OK;
}

static void set_timeout(int fd, int option, time_t seconds)
{
    struct timeval tv = {.tv_sec = seconds};

    if (setsockopt(fd, SOL_SOCKET, option, &tv, sizeof tv) != 0) {
        ent_log_debug("control socket: no timeout");
    }
}

/* One line, without its newline. */
static enum ent_err read_line(int fd, struct ent_buf *line)
{
    char piece[4096];

    for (;;) {
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        char *end;

        if (n < 0 && errno == EINTR) {
            continue;
        }
        ENT_REQUIRE(n != 0, ENT_E_NET, "control socket: closed before the end of a line");
        ENT_TRY(n > 0 ? ENT_E_OK : ent_sysfail(ENT_E_NET, "control socket"));
        end = memchr(piece, '\n', (size_t)n);
        ENT_TRY(ent_buf_add(line, piece, end != NULL ? (size_t)(end - piece) : (size_t)n));
        if (end != NULL) {
            return ENT_E_OK;
        }
    }
}

static enum ent_err write_line(int fd, const void *bytes, size_t len)
{
    const char *p = bytes;
    char newline = '\n';

    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        ENT_TRY(n > 0 ? ENT_E_OK : ent_sysfail(ENT_E_NET, "control socket"));
        p += n;
        len -= (size_t)n;
    }
    return send(fd, &newline, 1, MSG_NOSIGNAL) == 1 ? ENT_E_OK
                                                    : ent_sysfail(ENT_E_NET, "control socket");
}

static enum ent_err serve_one(struct ent_control *control, int fd)
{
    struct ent_buf line;
    struct ent_buf reply;
    const char *request = NULL;
    enum ent_err err;

    ent_buf_init(&line, ENT_CONTROL_REQUEST_MAX_BYTES);
    ent_buf_init(&reply, ENT_CONTROL_REPLY_MAX_BYTES);
    set_timeout(fd, SO_RCVTIMEO, PEER_TIMEOUT_S);
    set_timeout(fd, SO_SNDTIMEO, PEER_TIMEOUT_S);
    err = read_line(fd, &line);
    if (err == ENT_E_OK) {
        err = ent_buf_reserve(&reply, REPLY_SECRET_BYTES);
    }
    if (err == ENT_E_OK) {
        err = ent_buf_str(&line, &request);
    }
    if (err == ENT_E_OK) {
        err = control->ended ? ENT_E_STOPPED : control->handler(control->ctx, request, &reply);
        if (err == ENT_E_OK) {
            err = write_line(fd, reply.data, reply.len);
        } else if (err == ENT_E_STOPPED) {
            err = write_line(fd, ending, sizeof ending - 1);
        }
    }
    ent_buf_release(&line);
    ent_buf_wipe(&reply);
    return err;
}

/* Those who connected before the path was gone get an answer too. */
static void end_waiting(struct ent_control *control)
{
    struct pollfd waiting = {.fd = control->fd, .events = POLLIN};

    control->ended = true;
    if (ent_file_remove(control->path) != ENT_E_OK) {
        ent_log_warn("%s", ent_err_message());
    }
    while (poll(&waiting, 1, 0) > 0) {
        int fd = accept(control->fd, NULL, NULL);

        if (fd >= 0) {
            if (serve_one(control, fd) != ENT_E_OK) {
                ent_log_debug("%s", ent_err_message());
            }
            (void)close(fd);
        }
    }
}

static void *run(void *arg)
{
    struct ent_control *control = arg;
    struct pollfd fds[2] = {{.fd = control->fd, .events = POLLIN},
                            {.fd = control->stop[0], .events = POLLIN}};

    for (;;) {
        int fd;

        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            if (ent_sysfail(ENT_E_IO, "control socket") != ENT_E_OK) {
                ent_log_error("%s", ent_err_message());
            }
            return NULL;
        }
        if (fds[1].revents != 0) {
            end_waiting(control);
            return NULL;
        }
        fd = accept(control->fd, NULL, NULL);
        if (fd < 0) {
            continue;
        }
        if (serve_one(control, fd) != ENT_E_OK) {
            ent_log_debug("%s", ent_err_message());
        }
        (void)close(fd);
    }
}

static enum ent_err open_socket(struct ent_control *control)
{
    struct sockaddr_un address;

    ENT_TRY(address_of(control->path, &address));
    ENT_TRY(ent_file_remove(control->path));
    control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (control->fd < 0 || bind(control->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        return ent_sysfail(ENT_E_IO, control->path);
    }
    /* Nobody but the operator can have opened it before this: the directory is 0700, and nothing listens yet. */
    if (chmod(control->path, 0600) != 0 || listen(control->fd, 8) != 0 ||
        pipe(control->stop) != 0) {
        return ent_sysfail(ENT_E_IO, control->path);
    }
    ENT_REQUIRE(pthread_create(&control->thread, NULL, run, control) == 0, ENT_E_NO_MEMORY,
                "cannot start the control socket's thread");
    control->running = true;
    return ENT_E_OK;
}

enum ent_err ent_control_new(const char *dir, ent_control_handler handler, void *ctx,
                             struct ent_control **out)
{
    struct ent_control *control = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *control, &control));
    *control = (struct ent_control){.handler = handler, .ctx = ctx, .fd = -1, .stop = {-1, -1}};
    err = ent_path_join(dir, "control.sock", &control->path);
    if (err == ENT_E_OK) {
        err = open_socket(control);
    }
    if (err != ENT_E_OK) {
        ent_control_free(control);
        return err;
    }
    *out = control;
    return ENT_E_OK;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

void ent_control_free(struct ent_control *control)
{
    if (control == NULL) {
        return;
    }
    close_fd(control->stop[1]);
    if (control->running) {
        (void)pthread_join(control->thread, NULL);
    }
    close_fd(control->stop[0]);
    if (control->fd >= 0) {
        (void)close(control->fd);
        if (ent_file_remove(control->path) != ENT_E_OK) {
            ent_log_warn("%s", ent_err_message());
        }
    }
    free(control->path);
    free(control);
}

static enum ent_err ask_on(int fd, const char *path, const char *request, struct ent_buf *reply)
{
    struct sockaddr_un address;

    ENT_TRY(address_of(path, &address));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        enum ent_err err = errno == ENOENT || errno == ECONNREFUSED ? ENT_E_NOT_FOUND : ENT_E_IO;

        return ent_sysfail(err, path);
    }
    set_timeout(fd, SO_SNDTIMEO, PEER_TIMEOUT_S);
    set_timeout(fd, SO_RCVTIMEO, ANSWER_TIMEOUT_S);
    ENT_TRY(write_line(fd, request, strlen(request)));
    ENT_TRY(read_line(fd, reply));
    if (reply->len == sizeof ending - 1 && memcmp(reply->data, ending, reply->len) == 0) {
        ent_buf_clear(reply);
        return ent_err_note(ENT_E_BUSY, "%s: the coordinator is ending", path);
    }
    return ENT_E_OK;
}

enum ent_err ent_control_ask(const char *dir, const char *request, struct ent_buf *reply)
{
    char *path = NULL;
    enum ent_err err;
    int fd;

    ENT_REQUIRE(strchr(request, '\n') == NULL, ENT_E_INTERNAL, "a request is one line");
    ENT_TRY(ent_path_join(dir, "control.sock", &path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    err = fd >= 0 ? ask_on(fd, path, request, reply) : ent_sysfail(ENT_E_IO, path);
    close_fd(fd);
    free(path);
    return err;
}
