/* main() of a fuzz target in ordinary builds: runs every file of the given directories (or files) through it once, and
 * then a few hundred cut and bent copies of each, so that a changed decoder meets more than its committed corpus. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/rng.h"

#define INPUT_MAX ((size_t)4 * 1024 * 1024)
#define MUTANTS 300

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of exactly that size, so that address sanitizers see a read behind its end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL) {
        perror("malloc");
        abort();
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_mutants(struct ent_buf *input, uint64_t seed)
{
    struct ent_rng rng = ent_rng_init(seed, 0);

    for (int i = 0; i < MUTANTS && input->len > 0; i++) {
        size_t at = ent_rng_u32(&rng) % input->len;
        uint8_t saved = input->data[at];

        switch (i % 4) {
        case 0: /* cut */
            run(input->data, at);
            break;
        case 1: /* one bit */
            input->data[at] ^= (uint8_t)(1u << (ent_rng_u32(&rng) & 7));
            run(input->data, input->len);
            break;
        case 2: /* an extreme byte */
            input->data[at] = ent_rng_u32(&rng) & 1 ? 0xFF : 0;
            run(input->data, input->len);
            break;
        default: /* any byte */
            input->data[at] = (uint8_t)ent_rng_u32(&rng);
            run(input->data, input->len);
            break;
        }
        input->data[at] = saved;
    }
}

static bool run_file(const char *path, uint64_t seed)
{
    struct ent_buf input;
    enum ent_err err;

    ent_buf_init(&input, INPUT_MAX);
    err = ent_file_read(path, &input);
    if (err != ENT_E_OK) {
        (void)fprintf(stderr, "%s\n", ent_err_message());
    } else {
        run(input.data, input.len);
        run_mutants(&input, seed);
    }
    ent_buf_release(&input);
    return err == ENT_E_OK;
}

static bool run_directory(const char *path, size_t *n_run)
{
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, NULL, alphasort);
    bool good = n >= 0;

    if (!good) {
        perror(path);
    }
    for (int i = 0; i < n; i++) {
        char *file = NULL;

        if (entries[i]->d_name[0] != '.') {
            if (ent_path_join(path, entries[i]->d_name, &file) != ENT_E_OK ||
                !run_file(file, *n_run)) {
                good = false;
            }
            (*n_run)++;
            free(file);
        }
        free(entries[i]);
    }
    free(entries);
    return good;
}

int main(int argc, char **argv)
{
    size_t n_run = 0;
    bool good = true;

    run((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        struct stat st;

        if (stat(argv[i], &st) != 0) {
            perror(argv[i]);
            good = false;
        } else if (S_ISDIR(st.st_mode)) {
            good = run_directory(argv[i], &n_run) && good;
        } else {
            good = run_file(argv[i], n_run++) && good;
        }
    }
    if (n_run == 0) {
        (void)fprintf(stderr, "no corpus file was run\n");
    } else {
        printf("%zu files, each with %d mutants\n", n_run, MUTANTS);
    }
    return good && n_run > 0 ? 0 : 1;
}
